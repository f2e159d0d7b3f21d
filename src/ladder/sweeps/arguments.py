"""What `make experiments` and `make sweep` are asked for."""

import argparse
from collections.abc import Sequence

from ladder.core.errors import InputError, nearest
from ladder.ladder_file import Ladder


def read(given: Sequence[str], ladder: Ladder, *, keeps: bool = False) -> argparse.Namespace:
    """`models`: some of the ladder's (those that are not ONNX files), `rev`: of the commit; `out`: a folder, or None.

    Raises: InputError for a name that is no model's.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("models", nargs="*", metavar="RUNG", help="a model of ladder.yaml")
    parser.add_argument("--rev", default="HEAD", help="the commit that the experiments started from")
    if keeps:
        parser.add_argument("--out", help="a folder for the tables and the picture")
    asked = parser.parse_args(given)
    for name in asked.models:
        if name not in ladder.ladder:
            raise InputError(f"{name} is no model of ladder.yaml{nearest(name, ladder.ladder)}")
    asked.models = asked.models or [name for name, model in ladder.ladder.items() if model.made != "deployed"]
    return asked
