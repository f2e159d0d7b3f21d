"""What a rung starts from, as the stage `weights` left it, put into a network. Never a silent random start."""

from typing import Any

from ladder.core import architectures
from ladder.core.artifacts import pretrained
from ladder.core.errors import InputError
from ladder.core.types import Pretrained
from ladder.params import Recipe


def folder(rung: str) -> str:
    return f"data/weights/{rung}"


def read(rung: str, recipe: Recipe) -> Pretrained | None:
    """The ImageNet weights that a rung starts from; None from scratch.

    Raises: InputError where they are missing, damaged, or of another architecture.
    """
    if recipe.weights == "scratch":
        return None
    found = pretrained.load(folder(rung))
    if found.arch != recipe.arch:
        raise InputError(
            f"{folder(rung)} holds weights of {found.arch}, expected {recipe.arch}: `dvc repro weights@{rung}`"
        )
    return found


def load(net: Any, pretrained: Pretrained) -> None:
    """Put them into a timm network, in its own precision, all but the classifier, whose classes differ.

    Raises: InputError if a tensor does not fit.
    """
    own, given = architectures.body(net), pretrained.weights
    wrong = sorted(
        name
        for name in own.keys() | given.keys()
        if name not in own or name not in given or own[name].shape != given[name].shape
    )
    if wrong:
        raise InputError(
            f"the weights of {pretrained.origin} do not fit {pretrained.arch} as it is made here: {len(wrong)} tensors"
            f" are missing, left over or of another shape, for example {', '.join(wrong[:3])}"
        )
    net.load_state_dict(given, strict=False)
