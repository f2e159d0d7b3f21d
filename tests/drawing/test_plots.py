"""Pictures: same bytes twice, text where it can be read, and DVC's page of the confusion template."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from imports import ROOT
from ladder.drawing import plots

TEMPLATE = ROOT / ".dvc/plots/confusion_counts.json"
TITLE = "train_aug: 86.30% accurate\n95% interval 85.61 to 86.96%"


def counts(classes: int, images: int = 1000, accuracy: float = 0.86) -> np.ndarray:
    draw = np.random.default_rng(0)
    rows = draw.dirichlet(np.ones(classes), classes) * (1 - accuracy) + np.eye(classes) * accuracy
    return np.stack([draw.multinomial(images, row / row.sum()) for row in rows])


def names(classes: int) -> list[str]:
    return [f"class {i}" for i in range(classes)]


def luminance(color) -> float:
    """Relative luminance of WCAG 2, 0 to 1."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot([0.2126, 0.7152, 0.0722], channels))


def cell_texts(figure) -> list:
    """Texts inside of the matrix, without the small print of the title."""
    return [text for text in figure.axes[0].texts if text.xycoords == "data"]


def contrast(figure, text) -> float:
    """Contrast of a cell's text and color by WCAG 2, from 1 to 21; its level AA asks for 4.5."""
    matrix, (column, row) = figure.axes[0].images[0], text.xy
    background = matrix.cmap(matrix.norm(matrix.get_array()[row, column]))
    light, dark = sorted([luminance(background), luminance(text.get_color())], reverse=True)
    return (light + 0.05) / (dark + 0.05)


# --- pictures


def test_same_bytes_twice_whatever_the_settings_around(tmp_path):
    plots.confusion(tmp_path / "a.png", counts(3), names(3), TITLE)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20}):
        plots.confusion(tmp_path / "b.png", counts(3), names(3), TITLE)
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_png_says_nothing_about_when_and_with_what(tmp_path):
    plots.confusion(tmp_path / "a.png", counts(3), names(3), TITLE)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert set(image.info) == {"dpi"}


def test_an_error_while_drawing_leaves_the_old_picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), plots.canvas(path, 4, 3) as figure:
        figure.add_subplot().plot([1 / 0])
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]


def test_colors_differ_in_gray():
    lightness = np.sort([116 * luminance(color) ** (1 / 3) - 16 for color in plots.COLORS])
    assert np.diff(lightness).min() > 9  # of 100


def test_shares_darken_steadily():
    levels = [luminance(plots.SEQUENTIAL(plots.SHARE_SCALE(share))) for share in np.linspace(0, 1, 101)]
    assert (np.diff(levels) < 0).all()


# --- confusion


def test_cells_hold_percent_and_count(tmp_path):
    figure = plots.confusion(tmp_path / "a.png", np.array([[3, 1], [0, 1200]]), ["cat", "dog"], TITLE)
    assert [text.get_text() for text in cell_texts(figure)] == ["75.0", "3", "25.0", "1", "100.0", "1,200"]
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "actual class")
    assert axes.get_title(loc="left") == "train_aug: 86.30% accurate"
    assert "95% interval 85.61 to 86.96%" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(("classes", "texts_per_cell"), [(2, 2), (12, 2), (13, 1), (26, 0)])
def test_text_is_dropped_where_it_could_not_be_read(tmp_path, classes, texts_per_cell):
    figure = plots.confusion(tmp_path / "a.png", np.full((classes, classes), 5), names(classes), TITLE)
    assert len(cell_texts(figure)) == texts_per_cell * classes**2
    assert len(figure.axes[0].get_xticklabels()) == classes


@pytest.mark.parametrize("classes", [12, 25])
def test_text_fits_its_cell(tmp_path, classes):
    figure = plots.confusion(tmp_path / "a.png", counts(classes, images=99_999), names(classes), TITLE)
    renderer = figure.canvas.get_renderer()
    cell = figure.axes[0].get_window_extent(renderer).width / classes
    assert max(text.get_window_extent(renderer).width for text in cell_texts(figure)) < cell


def test_text_stands_out_at_every_share(tmp_path):
    square = np.zeros((21, 21), dtype=np.int64)
    square[:, 0], square[:, 1] = np.arange(0, 1050, 50), np.arange(1025, -25, -50)
    figure = plots.confusion(tmp_path / "a.png", square, names(21), TITLE)
    assert min(contrast(figure, text) for text in cell_texts(figure)) > 4.5


def test_a_class_without_images_is_an_empty_row(tmp_path):
    figure = plots.confusion(tmp_path / "a.png", np.array([[2, 0], [0, 0]]), ["cat", "dog"], TITLE)
    assert [text.get_text() for text in cell_texts(figure)] == ["100.0", "2"]


def test_many_classes_name_every_second(tmp_path):
    figure = plots.confusion(tmp_path / "a.png", counts(61), names(61), TITLE)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names(61)[::2]


def test_class_names_are_text_not_formulas(tmp_path):
    plots.confusion(tmp_path / "a.png", counts(2), ["$x^", "100 $ {note}"], TITLE)


def test_counts_must_be_square(tmp_path):
    with pytest.raises(ValueError, match=r"counts \(2, 2\) for 3 classes"):
        plots.confusion(tmp_path / "a.png", counts(2), names(3), TITLE)


# --- the DVC template


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    """DVC's pages for a repository of two models: `plots show`, and `plots diff` with a changed count."""
    repo = tmp_path_factory.mktemp("repo")
    settings = str(tmp_path_factory.mktemp("settings"))  # nobody's own
    environment = os.environ | {
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": settings,
        "DVC_SYSTEM_CONFIG_DIR": settings,
        "DVC_SITE_CACHE_DIR": settings,
        "GIT_CONFIG_GLOBAL": os.devnull,
    }

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr
        assert "WARNING" not in done.stderr

    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")
    dvc = (sys.executable, "-m", "dvc")
    run("git", "init", "-q")
    run(*dvc, "init", "-q")
    (repo / ".dvc/plots").mkdir(exist_ok=True)
    (repo / ".dvc/plots/confusion_counts.json").write_bytes(TEMPLATE.read_bytes())
    for model in ("a", "b"):
        (repo / "plots" / model).mkdir(parents=True)
        write_pairs(repo / "plots" / model / "confusion.csv", [[7, 3], [0, 10]])
    (repo / "dvc.yaml").write_text(
        "plots:\n"
        "- plots/a/confusion.csv: {template: confusion_counts, x: predicted, y: actual}\n"
        "- both: {template: confusion_counts, x: predicted,"
        " y: {plots/a/confusion.csv: actual, plots/b/confusion.csv: actual}}\n"
    )
    run("git", "add", "-A")
    run(*git, "commit", "-q", "-m", "one")
    write_pairs(repo / "plots/a/confusion.csv", [[9, 1], [0, 10]])
    run(*dvc, "plots", "show", "-o", "show")
    run(*dvc, "plots", "diff", "HEAD", "-o", "diff")
    return {name: (repo / name / "index.html").read_text() for name in ("show", "diff")}


def write_pairs(path: Path, rows: list[list[int]]) -> None:
    classes = ("cat", "dog")
    lines = [f"{a},{p},{n}\n" for a, row in zip(classes, rows, strict=True) for p, n in zip(classes, row, strict=True)]
    path.write_text("actual,predicted,count\n" + "".join(lines))


def specs(page: str) -> dict[str, dict]:
    """Title -> filled template, of all plots on a page."""
    found = [json.loads(spec) for spec in re.findall(r"var spec = (.*);\n", page)]
    return {spec["title"]["text"]: spec for spec in found}


def test_dvc_fills_the_template_with_all_pairs(pages):
    spec = specs(pages["show"])["plots/a/confusion.csv"]
    rows = [(row["rev"], row["actual"], row["predicted"], row["count"]) for row in spec["data"]["values"]]
    assert rows == [
        ("workspace", "cat", "cat", "9"),
        ("workspace", "cat", "dog", "1"),
        ("workspace", "dog", "cat", "0"),
        ("workspace", "dog", "dog", "10"),
    ]


def test_dvc_compares_revisions(pages):
    spec = specs(pages["diff"])["plots/a/confusion.csv"]
    corner = {row["rev"]: row["count"] for row in spec["data"]["values"] if row["actual"] == row["predicted"] == "cat"}
    assert corner == {"workspace": "9", "HEAD": "7"}
    assert spec["facet"]["column"]["field"] == "rev"


def test_dvc_compares_models(pages):
    spec = specs(pages["show"])["both"]
    assert {row["filename"] for row in spec["data"]["values"]} == {"a/confusion.csv", "b/confusion.csv"}


@pytest.mark.parametrize("page", ["show", "diff"])
def test_filled_template_reads_only_fields_that_exist(pages, page):
    for spec in specs(pages[page]).values():
        assert "<DVC_METRIC" not in json.dumps(spec)
        available = set(spec["data"]["values"][0]) | set(collect(spec, "as"))
        assert set(collect(spec, "field")) <= available
        assert set(re.findall(r"datum\.(\w+)", json.dumps(spec))) - {"label"} <= available


def collect(node, key: str) -> list[str]:
    """All values under `key` in nested lists and dicts."""
    if isinstance(node, list):
        return [found for item in node for found in collect(item, key)]
    if not isinstance(node, dict):
        return []
    here = [node[key]] if isinstance(node.get(key), str) else []
    return here + [found for name, item in node.items() if name != "values" for found in collect(item, key)]
