"""How every picture looks, and that its bytes can be reproduced. Figures are matplotlib objects; no pyplot state.

Every picture is drawn in `canvas`, so that it has one style whatever the machine's matplotlib settings, and holds no
date and no version. Series take COLORS in order: Paul Tol's medium-contrast scheme (https://sronpersonalpages.nl/~pault/),
which color-blind people can tell apart and whose grays are evenly spread.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from ladder.core.artifacts import files
from ladder.drawing import fonts

COLORS = ("#004488", "#EECC66", "#994455", "#6699CC", "#997700", "#EE99AA")  # neighbors far apart in gray
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, MUTED, GRID, PAPER = "#1A1A1A", "#5F6670", "#D9DCE0", "#FFFFFF"
SEQUENTIAL = LinearSegmentedColormap.from_list("ladder", ["#FFFFFF", "#BFD6EB", "#6699CC", "#004488", "#00295C"])
SHARE_SCALE = PowerNorm(0.5, 0, 1)
WHITE_TEXT_ABOVE = 0.35  # the share whose color is as far from white as from black
WHITE_TEXT_ABOVE_COLOR = float(SHARE_SCALE(WHITE_TEXT_ABOVE))  # the same, as a place on the color scale

DPI = 150
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 13, 10, 8
STYLE = {
    "font.family": fonts.FONT,  # it comes with matplotlib
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,  # class names are anybody's
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT_SIZE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLORS, marker=MARKERS),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
}


@contextmanager
def canvas(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of `width` x `height` inches to draw on; written to `path` (PNG) at the end unless there is an error."""
    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"Glyph \d+ .* missing from font"
        )  # one for each letter: `fonts.hint` says it
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure
        fonts.complete(figure)
        with files.atomic(path) as temporary:
            figure.savefig(
                temporary, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.15, metadata={"Software": None}
            )


def headline(axes: Axes, title: str) -> None:
    """Write `title` above `axes`, flush left: the first line large, the lines after it as small print."""
    first, _, rest = title.partition("\n")
    lines = rest.count("\n") + 1 if rest else 0
    axes.set_title(first, loc="left", size=TITLE_SIZE, weight="bold", pad=10 + 14 * lines)
    axes.annotate(rest, (0, 1), (0, 9), xycoords="axes fraction", textcoords="offset points", va="bottom", color=MUTED)
