"""timm architectures as classifiers of raw uint8 images, with stems for small images. Model = net(prepare(x))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.layers import SEModule
from torch import Tensor, nn

from ladder.core import architectures
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint, Pretrained
from ladder.params import Model, Recipe, SqueezeExcite
from ladder.params_groups import Stem
from ladder.training import weights

SMALL = 32  # pixels: inputs of up to this side are predicted as many at a time as params say


class Classifier(nn.Module):
    """Pixels (B, 3, H, W), uint8 or float in 0..255 -> logits float32 (B, C).

    `prepare` scales, normalizes and resizes, so that a deployed file needs no preprocessing code. Resizing follows
    normalization; both are linear, and bytes of pixels are the smaller tensor to move.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, config: Mapping[str, Any]):
        super().__init__()
        self.net = net
        self.config = dict(config)
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", _deviation(config["std"]).view(1, 3, 1, 1), persistent=False)

    def prepare(self, images: Tensor) -> Tensor:
        x = (images.float() / 255 - self.mean) / self.std
        size = self.config["input_size"]
        if x.shape[-1] != size:
            mode = self.config["resize"]
            x = nn.functional.interpolate(
                x, (size, size), mode=mode, align_corners=None if mode == "nearest" else False
            )
        return x  # (B, 3, input_size, input_size)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(self.prepare(images)).float()


def at_a_time(classifier: Classifier, image_size: int, most: int) -> int:
    """How many images of that size to predict at a time, so that it takes no more memory than `most` at 32 px.

    At least one; as many fewer as a network's input, or an image where that is larger, has more pixels than 32 x 32.
    """
    side = max(SMALL, classifier.config["input_size"], image_size)
    return max(1, most * SMALL**2 // side**2)


class SqueezeExciteNet(nn.Module):
    """A backbone whose last feature map passes a squeeze-and-excitation block, pooling, dropout and a linear layer.

    Source: Hu et al. 2018, arXiv:1709.01507, its block applied once, to the features; timm's SEModule.
    """

    def __init__(self, backbone: nn.Module, channels: int, classes: int, reduction: int, drop_rate: float):
        super().__init__()
        self.backbone = backbone
        self.se = SEModule(channels, rd_channels=max(channels // reduction, 1))
        self.dropout = nn.Dropout(drop_rate)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = self.se(self.backbone(x))  # (B, D, H', W')
        return self.fc(self.dropout(features.mean((2, 3))))  # (B, C)


def build(
    recipe: Recipe,
    model: Model,
    classes: tuple[str, ...],
    mean,
    std,
    seed: int,
    se: SqueezeExcite | None = None,
    pretrained: Pretrained | None = None,
) -> Classifier:
    """A fresh classifier: random weights from `seed`, or `pretrained` ones with a new head.

    Args:
        mean, std: of the training part's channels; a pretrained net keeps the ones it was trained with.
        se: the head with a squeeze-and-excitation block, instead of the architecture's own.
    Raises: InputError for an architecture that timm does not have or that is no classifier of feature maps, a stem or
        input size that does not fit it, or weights that do not.
    """
    assert (pretrained is None) == (recipe.weights == "scratch"), (
        "what the recipe asks for, never a random start instead"
    )
    config = {
        "arch": recipe.arch,
        "classes": list(classes),
        "input_size": recipe.input_size,
        "resize": model.resize,
        "stem": recipe.stem and recipe.stem.model_dump(),
        "drop_rate": recipe.drop_rate,
        "se": se and se.model_dump(),
        "mean": list(pretrained.mean if pretrained else mean),
        "std": list(pretrained.std if pretrained else std),
        "weights": pretrained.origin if pretrained else "scratch",
    }
    if pretrained:
        config["weights_sha256"] = pretrained.sha256
    torch.manual_seed(seed)
    classifier = _assemble(config)
    if pretrained:
        weights.load(_backbone(classifier), pretrained)
    return classifier


def restore(checkpoint: Checkpoint) -> Classifier:
    """The classifier that a checkpoint holds, in eval mode."""
    classifier = _assemble(checkpoint.config)
    classifier.load_state_dict(checkpoint.weights)
    return classifier.eval()


def parameter_count(classifier: nn.Module) -> int:
    return sum(parameter.numel() for parameter in classifier.parameters())


def _assemble(config: Mapping[str, Any]) -> Classifier:
    """Architecture with random weights. Raises InputError for what does not fit, found by a dry run."""
    stem, classes = config["stem"], len(config["classes"])
    net: Any = architectures.create(config["arch"], num_classes=classes, drop_rate=config["drop_rate"])
    if stem is not None:
        _fit_to_small_images(net, config["arch"], Stem(**stem))
    _draw_head_for_few_classes(net)
    if config["se"] is not None:
        net = SqueezeExciteNet(net, _drop_head(net, config), classes, **config["se"])
    classifier = Classifier(net, config)
    _try_out(classifier, config)
    return classifier


def _try_out(net: nn.Module, config: Mapping[str, Any]) -> Tensor:
    """What a network, put in eval mode, answers one black image with. Raises InputError where it takes none."""
    size = config["input_size"]
    try:
        with torch.no_grad():
            return net.eval()(torch.zeros(1, 3, size, size))
    except Exception as error:  # architectures say in a dozen ways, or without a word, that a size does not fit
        made_for = _backbone(net).default_cfg["input_size"][-1]
        raise InputError(
            f"{config['arch']} with stem {config['stem']} does not take input_size={size} (timm made it for"
            f" {made_for}): {_first_line(error)}"
        ) from None


def _drop_head(net: Any, config: Mapping[str, Any]) -> int:
    """Leave a timm network its feature map: the channels of it. Raises InputError where it has none."""
    needed = f"the squeeze-and-excitation head needs a feature map (B, C, H, W), and {config['arch']}"
    advice = "choose a convolutional network for the recipe of train_se"
    try:
        net.reset_classifier(0, "")
    except Exception as error:  # heads that cannot do without their pooling refuse in several ways
        raise InputError(f"{needed} gives none ({_first_line(error)}): {advice}") from None
    features = _try_out(net, config)
    shape = tuple(features.shape) if isinstance(features, Tensor) else "several tensors"
    if len(shape) != 4 or shape[1] not in (net.num_features, getattr(net, "head_hidden_size", None)):
        raise InputError(f"{needed} ends in {shape}: {advice}")
    return int(shape[1])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [f"{type(error).__name__} without a word"])[0]


def _draw_head_for_few_classes(net: Any) -> None:
    """Give a linear head PyTorch's own initialization, uniform in +-1 / sqrt(features).

    timm draws the heads of EfficientNet and MobileNetV3 in +-1 / sqrt(classes), which suits 1,000 classes: with ten
    the first logits are ten times too large, and the first epoch is spent on shrinking them.
    """
    head = net.get_classifier()
    if isinstance(head, nn.Linear):
        head.reset_parameters()


def _deviation(std: Sequence[float]) -> Tensor:
    """At least one step of a pixel: a channel that is constant in all training images deviates by nothing."""
    return torch.tensor(std).clamp(min=1 / 255)


def _backbone(net: Any) -> Any:
    """The timm model in a classifier, whatever head it has, or the one given."""
    net = net.net if isinstance(net, Classifier) else net
    return net.backbone if isinstance(net, SqueezeExciteNet) else net


def _fit_to_small_images(net: Any, arch: str, stem: Stem) -> None:
    """Replace the stem's convolution by a 3x3 one, drop its pooling, and take strides out of the first stages."""
    first = net.default_cfg["first_conv"]
    conv = net.get_submodule(first) if isinstance(first, str) else None
    if not isinstance(conv, nn.Conv2d):
        raise InputError(f"{arch} has no single convolution as its stem: its recipe's stem must be null")
    if not hasattr(net, "maxpool") and stem.pool:
        raise InputError(f"{arch} has no pooling in its stem: stem.pool must be false")

    small = nn.Conv2d(3, conv.out_channels, 3, stride=stem.stride, padding=1, bias=conv.bias is not None)
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")
    net.set_submodule(first, small)
    if hasattr(net, "maxpool") and not stem.pool:
        net.maxpool = nn.Identity()

    halving = [stage for stage in _stages(net) if _strided(stage)]
    if stem.unstrided_stages > len(halving):
        raise InputError(
            f"{arch} has {len(halving)} stages that halve the resolution: unstrided_stages={stem.unstrided_stages}"
        )
    for stage in halving[: stem.unstrided_stages]:
        for conv in _strided(stage):
            conv.stride = (1, 1)


def _stages(net: nn.Module) -> list[nn.Module]:
    """Stages in order: `blocks` (EfficientNet, MobileNet), `stages` (ConvNeXt and others) or `layer1..4` (ResNet)."""
    for name in ("blocks", "stages"):
        if isinstance(getattr(net, name, None), nn.Module):
            return list(net.get_submodule(name).children())
    return [stage for name, stage in net.named_children() if name.startswith("layer")]


def _strided(stage: nn.Module) -> list[nn.Conv2d]:
    return [module for module in stage.modules() if isinstance(module, nn.Conv2d) and module.stride != (1, 1)]
