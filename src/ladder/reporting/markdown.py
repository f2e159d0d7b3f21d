"""Tables and figures in Markdown, written the same way in every document."""

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without a line break at its end; columns that start with a number are set flush right."""
    rules = ["---:" if cell.lstrip("+-")[:1].isdigit() else "---" for cell in rows[0]]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rules, *rows))


def percent(fraction: float) -> str:
    """0.9 -> 90.00"""
    return f"{100 * fraction:.2f}"


def points(fraction: float) -> str:
    """A difference of two percentages: 0.01 -> +1.00"""
    return f"{100 * fraction:+.2f}"


def p_value(p: float) -> str:
    """0.04 -> 0.040, 0.00002 -> 2e-05"""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
