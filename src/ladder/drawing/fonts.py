"""Fonts for names that DejaVu Sans cannot write: what else the system has, and a hint where that is nothing.

DejaVu Sans comes with matplotlib and writes Latin, Greek, Cyrillic, Hebrew, Arabic and more. Chinese, Japanese, Korean,
Devanagari, Thai and others take a font of the system, so that such pictures differ between machines.
"""

import logging
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

FONT = "DejaVu Sans"
LETTERS = 10  # named in a hint

# That a font found for a few letters has no bold ones is no news.
logging.getLogger(font_manager.__name__).setLevel(logging.ERROR)

_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs", "Mn"}  # what a font need not draw


def missing(names: Iterable[str]) -> str:
    """The letters of `names` that no font here can draw, sorted, each once."""
    lacking = _beyond(names)
    return "".join(sorted(lacking - {letter for _, covered in _found(frozenset(lacking)) for letter in covered}))


def hint(names: Iterable[str]) -> str | None:
    """A line on names that are drawn as boxes, and what to do; None where there are none."""
    names = list(names)
    letters = missing(names)
    if not letters:
        return None
    name = next(name for name in names if set(name) & set(letters))
    shown = letters if len(letters) <= LETTERS else f"{letters[:LETTERS]}..."
    return (
        f"no font here draws {shown}, as in {name}: pictures show boxes there."
        " Install one that does (Debian, Ubuntu: `apt install fonts-noto-cjk`, for other scripts fonts-noto-core)"
    )


def complete(figure: Figure) -> None:
    """Give every text of `figure` with a letter that FONT lacks further fonts of the system; leave all others alone."""
    for text in figure.findobj(Text):
        lacking = _beyond([text.get_text()])
        if lacking:
            text.set_fontfamily([FONT, *(family for family, _ in _found(frozenset(lacking)))])


def _beyond(names: Iterable[str]) -> set[str]:
    """Letters that FONT does not have."""
    letters = {letter for name in names for letter in name if unicodedata.category(letter) not in _INVISIBLE}
    return {letter for letter in letters if ord(letter) not in _letters(font_manager.findfont(FONT))}


@cache
def _found(letters: frozenset[str]) -> list[tuple[str, set[str]]]:
    """Families that draw the letters between them, as few as are needed, and what each is taken for."""
    wanted, taken = set(letters), []
    while wanted:
        covered = ((wanted & {chr(code) for code in _letters(path)}, path) for path in _system())
        best, path = max(covered, key=lambda one: len(one[0]), default=(set(), ""))  # of equals the first
        if not best:
            break
        font_manager.fontManager.addfont(path)
        taken.append((FT2Font(path).family_name, best))
        wanted -= best
    return taken


@cache
def _system() -> list[str]:
    """Files of scalable fonts: plain ones of Noto first, then by name, so that alike systems choose alike."""
    paths = [path for path in font_manager.findSystemFonts() if _letters(path)]
    return sorted(paths, key=lambda path: (not _is_plain(path), Path(path).name, path))


def _is_plain(path: str) -> bool:
    name = Path(path).stem.lower()
    return name.startswith("notosans") and ("-" not in name or name.endswith("-regular"))


@cache
def _letters(path: str) -> frozenset[int]:
    """The codes of a font; none of a damaged one, or one of bitmaps such as colored emoji."""
    return frozenset(_charmaps(path))


def _charmaps(path: str) -> Iterator[int]:
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return
    if font.scalable:
        yield from font.get_charmap()
