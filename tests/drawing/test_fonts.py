"""Names in any script: drawn by a font of the system that has their letters, else boxes and one hint."""

import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from ladder.drawing import fonts, plots


def make_font(path, family: str, letters: str):
    """A font whose letters are black squares."""
    pen = TTGlyphPen(None)
    for move, point in (("moveTo", (0, 0)), ("lineTo", (0, 900)), ("lineTo", (900, 900)), ("lineTo", (900, 0))):
        getattr(pen, move)(point)
    pen.closePath()
    names = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(letter): f"u{ord(letter):X}" for letter in letters})
    font.setupGlyf(dict.fromkeys(names, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return str(path)


@pytest.fixture
def system(monkeypatch):
    """Sets what fonts the system has."""

    def have(*paths: str) -> None:
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(paths))
        fonts._system.cache_clear()
        fonts._found.cache_clear()

    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    yield have
    fonts._system.cache_clear()
    fonts._found.cache_clear()


@pytest.mark.parametrize("name", ["Straße", "Müller & Söhne", "λευκός", "кошка", "صورة", "תמונה", "cats \u200d 2\n"])
def test_what_comes_with_matplotlib_needs_no_font_of_the_system(system, name):
    system()
    assert fonts.hint([name]) is None


def test_one_hint_names_letters_a_class_and_a_remedy(system):
    system()
    said = fonts.hint(["cat", "城楼", "写真"])
    assert said is not None
    assert said.startswith("no font here draws 写城楼真, as in 城楼: pictures show boxes there. Install one that does")
    assert "\n" not in said


def test_as_few_fonts_as_are_needed_noto_first(system, tmp_path):
    few = make_font(tmp_path / "A.ttf", "Few", "城")
    other = make_font(tmp_path / "B.ttf", "Other", "城楼")
    noto = make_font(tmp_path / "NotoSansTest-Regular.ttf", "Noto Sans Test", "城楼")
    thai = make_font(tmp_path / "Thai.ttf", "Thai", "ก")
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"no font")
    system(few, other, noto, thai, str(damaged))
    assert [family for family, _ in fonts._found(frozenset("城楼ก"))] == ["Noto Sans Test", "Thai"]
    assert fonts.missing(["城楼ก字"]) == "字"


def test_a_picture_takes_them_for_such_names_alone(system, tmp_path):
    counts, classes = np.eye(2, dtype=int), ["cat", "城楼"]
    system(make_font(tmp_path / "NotoSansTest-Regular.ttf", "Noto Sans Test", "城楼"))
    figure = plots.confusion(tmp_path / "with.png", counts, classes, "title")
    families = {label.get_text(): label.get_fontfamily() for label in figure.axes[0].get_yticklabels()}
    assert families == {"cat": ["DejaVu Sans"], "城楼": ["DejaVu Sans", "Noto Sans Test"]}
    system()
    plots.confusion(tmp_path / "without.png", counts, classes, "title")
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def test_boxes_come_without_a_flood_of_warnings(system, tmp_path, caplog):
    system()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.confusion(tmp_path / "a.png", np.eye(2, dtype=int), ["城楼", "हिन्दी"], "城楼: 90%")
    assert caplog.text == ""
