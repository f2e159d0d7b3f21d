"""How documents are filled: numbers by hand, nothing left out in silence, every template and macro used."""

import re
from typing import get_args

import jinja2
import pytest

from imports import LADDER
from ladder import params
from ladder.reporting import markdown

TEMPLATES = sorted(markdown.TEMPLATES.glob("*"))
SOURCES = get_args(params.Data.model_fields["source"].annotation)


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    """Render a template that is given as text."""

    def render(text: str, **values) -> str:
        (tmp_path / "a.md.j2").write_text(text, encoding="utf-8", newline="")
        environment = markdown._ENVIRONMENT.overlay(loader=jinja2.FileSystemLoader([tmp_path, markdown.TEMPLATES]))
        monkeypatch.setattr(markdown, "_ENVIRONMENT", environment)
        return markdown.render("a.md.j2", **values)

    return render


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0.9 | percent", "90.00"),
        ("0.12345 | percent", "12.35"),
        ("0.01 | points", "+1.00"),
        ("-0.00123 | points", "-0.12"),
        ("0.04 | p_value", "0.040"),
        ("0.00002 | p_value", "2e-05"),
        ("1 | p_value", "1.000"),
        ("11173962 | thousands", "11,173,962"),
        ("4650.7 | thousands", "4,651"),
        ("0.12345 | decimals(3)", "0.123"),
        ("103.7 | decimals(0)", "104"),
        ("0.95 | whole_percent", "95%"),
        ("0.995 | whole_percent", "99.5%"),
        ("'a\n  b\n' | one_line", "a b"),
        ("'<b> a|b *c* `d` e_f \\\\' | escaped", r"\<b> a\|b \*c\* \`d\` e_f \\"),
    ],
)
def test_numbers_and_texts_by_hand(rendered, written, expected):
    assert rendered("{{ " + written + " }}\n") == expected + "\n"


def test_a_missing_value_is_an_error(rendered):
    for text in ("{{ nothing }}", "{{ rung.nothing }}", "{% if nothing %}{% endif %}", "{{ 'a' if nothing }}"):
        with pytest.raises(jinja2.UndefinedError, match="nothing"):
            rendered(text, rung={})


def test_text_stays_as_it_is(rendered):
    assert rendered("it's <b> & {{ value }}\r\n\n", value="it's <i> &") == "it's <b> & it's <i> &\n\n"


def test_documents_are_written_with_lf(tmp_path):
    markdown.write(tmp_path / "a.md", "å\nb\n")
    assert (tmp_path / "a.md").read_bytes() == "å\nb\n".encode()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_template_and_macro_is_used(path):
    assert path.name.endswith((".md.j2", ".html.j2"))
    code = "".join(file.read_text(encoding="utf-8") for file in LADDER.rglob("*.py"))
    others = "".join(file.read_text(encoding="utf-8") for file in TEMPLATES)
    assert f'"{path.name}"' in code or f'import "{path.name}"' in others
    for macro in re.findall(r"{% macro (\w+)\(", path.read_text(encoding="utf-8")):
        assert re.search(rf"(?<!macro ){macro}\(", others), macro


def test_sources_are_all_of_the_params(rendered):
    texts = [
        rendered('{% import "sources.md.j2" as s %}{{ s.in_short(source) }}: {{ s.terms(source) }}', source=source)
        for source in SOURCES
    ]
    assert len(set(texts)) == len(SOURCES) == 4
    for text in texts:
        short, _, terms = text.partition(": ")
        assert len(short.strip()) > 10
        assert terms.strip().endswith(".")
