"""Documents in Markdown: `templates/*.md.j2`, which read like the text they make, filled with plain values.

A template names its values without a default: one that is missing is an error, never a gap. What many documents say
alike is a macro beside them (intervals.md.j2, rungs.md.j2, sources.md.j2); how a number is written is a filter below.
"""

import re
from pathlib import Path
from typing import Any

import jinja2

from ladder.core.artifacts import files

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **given: Any) -> str:
    """The text that `templates/<template>` makes of the values given, its lines ended by LF.

    Raises: jinja2.UndefinedError for a value that the template names and that is not given.
    """
    return _ENVIRONMENT.get_template(template).render(given)


def write(path: str | Path, text: str) -> None:
    """Write a document as it is, in UTF-8."""
    with files.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def percent(fraction: float) -> str:
    """0.9 -> 90.00"""
    return f"{100 * fraction:.2f}"


def points(fraction: float) -> str:
    """A difference of two percentages: 0.01 -> +1.00"""
    return f"{100 * fraction:+.2f}"


def p_value(p: float) -> str:
    """0.04 -> 0.040, 0.00002 -> 2e-05"""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def thousands(number: float) -> str:
    """10000 -> 10,000"""
    return f"{number:,.0f}"


def decimals(number: float, digits: int) -> str:
    """With two digits: 0.125 -> 0.12"""
    return f"{number:.{digits}f}"


def whole_percent(fraction: float) -> str:
    """0.95 -> 95%, 0.995 -> 99.5%"""
    return f"{100 * fraction:g}%"


def one_line(text: str) -> str:
    """Text that a template wraps, as a cell of a table takes it."""
    return " ".join(text.split())


def escaped(text: str) -> str:
    """Text of other people, such as class names or a processor's: shown as it is, also in a table."""
    return re.sub(r"([\\`*<|])", r"\\\1", one_line(str(text)))


# No autoescape: it is for HTML, and would write &#39; for an apostrophe.
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    undefined=jinja2.StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
    newline_sequence="\n",
    trim_blocks=True,
    lstrip_blocks=True,
)
for _filter in (percent, points, p_value, thousands, decimals, whole_percent, one_line, escaped):
    _ENVIRONMENT.filters[_filter.__name__] = _filter
