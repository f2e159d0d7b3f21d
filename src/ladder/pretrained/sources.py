"""Where ImageNet weights are looked for, in order: `assets/weights/`, a package that ships them, timm's hub."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ladder.core import architectures
from ladder.core.types import Pretrained
from ladder.pretrained import assets, hub, packages, tensors

# Each says for an architecture: where they are found, in which file, and what it holds; None: not here.
Found = tuple[str, Path, dict[str, Tensor]]
SOURCES: tuple[Callable[[str], Found | None], ...] = (assets.find, packages.find, hub.find)


def find(arch: str) -> Pretrained:
    """Weights for timm's `arch`, verified. A name with a tag never gets what lies under the bare name, nor the reverse.

    Raises: InputError for a name that timm does not have, weights that are nowhere to be had, or that do not fit.
    """
    net = architectures.create(arch)
    origin, path, state = next(found for source in SOURCES if (found := source(arch)) is not None)
    cfg = net.default_cfg
    return Pretrained(
        arch=arch,
        origin=origin,
        sha256=tensors.sha256(path),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        weights=tensors.fitted(net, state, origin),
    )
