"""ImageNet weights: from timm's hub, or from a local safetensors file. Never a silent random start."""

from pathlib import Path
from typing import Any

import httpx2
import timm
from huggingface_hub import hf_hub_download as download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ladder.core import runs
from ladder.core.errors import InputError


def imagenet(arch: str, local: str | None) -> tuple[dict[str, Tensor], str]:
    """The weights timm publishes for `arch`, and their origin (hub id or file name).

    Args:
        local: a safetensors file to take them from, relative to the repository; None: timm's hub.
    Raises: InputError where there is no network, no such file, or no such weights.
    """
    if local is not None:
        return _read(runs.root() / local), Path(local).name
    pretrained = timm.get_pretrained_cfg(arch)
    if pretrained is None or not pretrained.hf_hub_id:
        raise InputError(
            f"timm publishes no pretrained weights for {arch}: name a safetensors file in model.weights.{arch}"
        )
    try:
        path = download(pretrained.hf_hub_id, "model.safetensors")
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise InputError(
            f"could not download {pretrained.hf_hub_id}/model.safetensors ({type(error).__name__}): connect to the"
            f" network, or name a local copy of that file in model.weights.{arch}, or set model.pretrained to false"
        ) from None
    return _read(Path(path)), pretrained.hf_hub_id


def load(net: Any, state: dict[str, Tensor], origin: str) -> None:
    """Load all of `state` but the classifier, whose classes differ. Raises InputError if a tensor does not fit."""
    head = net.default_cfg["classifier"]
    heads = tuple(f"{name}." for name in ([head] if isinstance(head, str) else head))
    own = {name: tensor.shape for name, tensor in net.state_dict().items() if not name.startswith(heads)}
    given = {name: tensor.shape for name, tensor in state.items() if not name.startswith(heads)}
    wrong = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
    if wrong:
        raise InputError(
            f"the weights {origin} do not fit {net.default_cfg['architecture']}: {len(wrong)} tensors are missing, left"
            f" over or of another shape, for example {', '.join(wrong[:3])}"
        )
    net.load_state_dict({name: state[name] for name in own}, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: model.weights must name a safetensors file that exists") from None
    except SafetensorError as error:
        raise InputError(f"{path} is no intact safetensors file ({error}): fetch it again") from None
