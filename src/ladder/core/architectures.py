"""timm's architectures by name, with or without the tag of a set of weights (`resnet18.a1_in1k`)."""

from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor

from ladder.core.errors import InputError, nearest


def bare(arch: str) -> str:
    """The architecture alone, without a tag."""
    return arch.partition(".")[0]


def check(arch: str) -> None:
    """Raises InputError for an architecture that timm does not have, or a tag that it does not know."""
    name, _, tag = arch.partition(".")
    if not timm.is_model(name):
        raise InputError(f"timm {timm.__version__} has no architecture {name!r}{nearest(name, timm.list_models())}")
    known = timm.list_models(f"{name}.*", include_tags=True)
    if "." in arch and arch not in known:
        tags = ", ".join(each.partition(".")[2] for each in known)
        raise InputError(
            f"timm {timm.__version__} has no tag {tag!r} of {name}: there is {tags}"
            if tags
            else f"timm {timm.__version__} has no tags of {name}: write {name} alone, not {arch}"
        )


def create(arch: str, **options: Any) -> Any:
    """timm's network with random weights. Raises InputError for a name as `check` does, or options it does not take."""
    check(arch)
    try:
        return timm.create_model(arch, **options)
    except Exception as error:  # whatever a constructor raises: timm has hundreds, not all of them are classifiers
        raise InputError(
            f"timm's {arch} cannot be made with {', '.join(options) or 'its own settings'}"
            f" ({type(error).__name__}: {error}): it is no classifier of the usual kind, choose another"
        ) from None


def body(net: Any) -> dict[str, Tensor]:
    """The tensors of a timm network by name, in its order, but those of its classifier."""
    return {name: tensor for name, tensor in net.state_dict().items() if not name.startswith(heads(net.default_cfg))}


def heads(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What the names of a classifier's tensors begin with."""
    head = settings["classifier"] or ()
    return tuple(f"{name}." for name in ([head] if isinstance(head, str) else head))
