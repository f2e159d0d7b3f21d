"""The one error a user can mend, and how a command ends by it, by a signal, or by what the machine lacks."""

import difflib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from ladder.core.machine import explain, first_line, is_out_of_memory

GOES_ON = "the same command goes on"  # how the one line of whatever was stopped ends


class InputError(Exception):
    """Bad params, bad data, missing weights: the message says what was read, what was expected and what to do."""


class Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT: it passes whatever handles errors."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint to append to a message: `; did you mean a, b?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(str(name), list(known), n=3)
    return f"; did you mean {', '.join(near)}?" if near else ""


def exit_on_input_error(main: Callable[..., None]) -> None:
    """Call `main` with the command line's arguments; what a user can mend ends it with one message and no traceback.

    Exit status: 1 after an InputError, a full disk, missing permission or memory; 130 after Ctrl-C, 143 after SIGTERM.
    Other errors pass: they are ours.
    """
    name = Path(sys.argv[0]).stem
    try:
        with _signals_as_exceptions():
            main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"{name}: {error}")
    except (KeyboardInterrupt, Terminated) as stop:
        _stop(name, stop, signal.SIGINT if isinstance(stop, KeyboardInterrupt) else signal.SIGTERM)
    except Exception as error:
        if isinstance(number := getattr(error, "sigval", None), signal.Signals):  # torch's launcher has its own
            _stop(name, error, number)
        if message := explain(error):
            sys.exit(f"{name}: {message}")
        raise


def tell_before_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook` for the seconds in which a command imports what it needs: Ctrl-C and too little memory."""
    name = Path(sys.argv[0]).stem
    if isinstance(error, KeyboardInterrupt):
        print(f"{name} stopped; {GOES_ON}", file=sys.stderr, flush=True)
        os._exit(128 + signal.SIGINT)  # nothing runs yet that would have to be cleaned up
    if isinstance(error, ImportError | MemoryError) and is_out_of_memory(error):
        why = f"{name}: out of memory while it was imported ({first_line(error)})"
        print(f"{why}: end other programs, or raise the limit (`ulimit -v`)", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _stop(name: str, stop: BaseException, number: signal.Signals) -> NoReturn:
    where = " ".join(getattr(stop, "__notes__", [f"{name} stopped"]))
    print(f"{where}; {GOES_ON}", file=sys.stderr)
    sys.exit(128 + number)


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """The first SIGINT or SIGTERM raises; those that follow must not cut off the cleaning up."""

    def stop(number: int, frame: object) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is stop:  # after a stop both stay ignored to the end
                signal.signal(number, handler)
