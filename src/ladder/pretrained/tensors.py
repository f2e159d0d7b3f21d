"""Files of tensors: read without running anything that is in them, and fitted to an architecture."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ladder.core import architectures
from ladder.core.errors import InputError

CONVERT = (
    "it is not opened, since a pickle can run code; where you trust it, convert it with"
    " safetensors.torch.save_file(torch.load(..., weights_only=True), ...)"
)
# First bytes -> what a file is that is often taken for a safetensors file.
TAKEN_FOR = {
    b"PK\x03\x04": f"a PyTorch file (.pth): {CONVERT}",
    b"\x80": f"a pickle (.pth): {CONVERT}",
    b"\x89HDF": "an HDF5 file: save its tensors as safetensors",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: `git lfs pull`, or download it again",
    b"<": "a web page, perhaps an error message or a login: download the file itself",
}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises InputError that says what it is instead."""
    try:
        with path.open("rb") as file:
            start = file.read(32)
        if start[8:9] != b"{":  # after the length of its header, a safetensors file goes on like this
            for first, what in TAKEN_FOR.items():
                if start.startswith(first):
                    raise InputError(f"{path} is no safetensors file but {what}")
        return load_file(path)
    except SafetensorError as error:
        what = "is truncated" if "not fully covered" in str(error) else "is no intact safetensors file"
        raise InputError(f"{path} {what} ({path.stat().st_size:,} bytes; {error}): get it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def fitted(net: Any, state: dict[str, Tensor], origin: str) -> dict[str, Tensor]:
    """Of `state`, what `net` has but its classifier, in its order; counters of batches that are missing are 0.

    Raises: InputError, saying which of these it is, for tensors of another architecture, for images of other channels,
        or with values that are no numbers.
    """
    own = architectures.body(net)
    arch = net.default_cfg["architecture"]
    given = {
        name: tensor for name, tensor in state.items() if not name.startswith(architectures.heads(net.default_cfg))
    }
    for name in own.keys() - given.keys():
        if name.endswith(".num_batches_tracked"):  # older files have none, and evaluation does not need it
            given[name] = torch.zeros_like(own[name])
    wrong = [name for name in own if name in given and not _alike(own[name], given[name])]
    missing, left_over = own.keys() - given.keys(), given.keys() - own.keys()
    if wrong == [f"{net.default_cfg['first_conv']}.weight"] and not missing and not left_over:
        expected, found = own[wrong[0]].shape, given[wrong[0]].shape
        if len(found) == len(expected) and (found[0], *found[2:]) == (expected[0], *expected[2:]):
            raise InputError(
                f"the weights {origin} are for images of {found[1]} channels, expected {expected[1]} (RGB)"
            )
    if wrong or missing or left_over:
        examples = ", ".join([*wrong, *sorted(missing), *sorted(left_over)][:3])
        raise InputError(
            f"the weights {origin} do not fit {arch}, they are of another architecture or incomplete: {len(missing)}"
            f" tensors are missing, {len(left_over)} left over, {len(wrong)} of another shape or type, for example"
            f" {examples}"
        )
    infinite = [name for name in own if not given[name].float().isfinite().all()]
    if infinite:
        raise InputError(f"the weights {origin} hold NaN or infinity, for example in {infinite[0]}: get them again")
    return {name: given[name] for name in own}


def _alike(own: Tensor, given: Tensor) -> bool:
    return own.shape == given.shape and own.is_floating_point() == given.is_floating_point()
