"""Names of files as people gave them: any bytes, any Unicode."""

import unicodedata

_HARMFUL = {"Cc", "Cs", "Zl", "Zp"}  # controls, undecodable bytes, line and paragraph separators
_TURNS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # make the rest of a line run backwards


def printable(name: str) -> str:
    """The name in one line that any output takes: controls and undecodable bytes as `\\n`, `\\x1b`, `\\udcff`."""
    return "".join(
        letter.encode("unicode_escape").decode()
        if letter in _TURNS or unicodedata.category(letter) in _HARMFUL
        else letter
        for letter in name
    )


def is_text(name: str) -> bool:
    """False for a name that holds bytes which are no UTF-8, as older systems wrote them (Latin-1)."""
    return not any(unicodedata.category(letter) == "Cs" for letter in name)


def composed(name: str) -> str:
    """The one spelling (NFC) of names that look alike: macOS writes `é` as `e` and an accent."""
    return unicodedata.normalize("NFC", name)


def padded(name: str, columns: int) -> str:
    """With spaces up to so many columns of a terminal."""
    return name + " " * (columns - width(name))


def width(name: str) -> int:
    """Columns that a terminal takes: two for Chinese, Japanese and Korean letters, none for accents by themselves."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in name)
    return len(name) + wide - sum(unicodedata.category(letter) in ("Mn", "Cf") for letter in name)
