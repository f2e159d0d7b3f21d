"""Lines of several stages on one screen; on a terminal, what runs stands below them."""

import sys

from tqdm import tqdm


class Display:
    """Plain lines on standard output; on a terminal one more, below, that is written anew and again."""

    def __enter__(self) -> "Display":
        self._bar = tqdm(bar_format="{desc}", disable=None, leave=False, dynamic_ncols=True)  # None: not on a terminal
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def line(self, text: str) -> None:
        tqdm.write(text, file=sys.stdout)

    def status(self, text: str) -> None:
        self._bar.set_description_str(text)
