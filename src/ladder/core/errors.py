"""The one error a user can mend."""

import difflib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path


class InputError(Exception):
    """Bad params, bad data, missing weights: the message says what was read, what was expected and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint to append to a message: `; did you mean a, b?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(str(name), list(known), n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""


def exit_on_input_error(main: Callable[..., None]) -> None:
    """Call `main` with the command line's arguments; an InputError ends it with one message and no traceback."""
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
