"""timm architectures as classifiers of raw uint8 images, with stems for small images. Model = net(prepare(x))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
from timm.layers import SEModule
from torch import Tensor, nn

from ladder.core.errors import InputError, nearest
from ladder.core.types import Checkpoint
from ladder.params import Model, Recipe, SqueezeExcite, Stem
from ladder.training import weights


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
    recipe: Recipe, model: Model, classes: tuple[str, ...], mean, std, seed: int, se: SqueezeExcite | None = None
) -> Classifier:
    """A fresh classifier: random weights from `seed`, or pretrained ones with a new head.

    Args:
        mean, std: of the training part's channels; a pretrained net keeps the ones it was trained with.
        se: the head with a squeeze-and-excitation block, instead of the architecture's own.
    Raises: InputError for an architecture timm does not have, a stem or input size that does not fit it, or missing
        or wrong pretrained weights.
    """
    if not timm.is_model(recipe.arch):
        raise InputError(
            f"timm {timm.__version__} has no architecture {recipe.arch!r}{nearest(recipe.arch, timm.list_models())}"
        )
    config = {
        "arch": recipe.arch,
        "classes": list(classes),
        "input_size": recipe.input_size,
        "resize": model.resize,
        "stem": recipe.stem and recipe.stem.model_dump(),
        "drop_rate": recipe.drop_rate,
        "se": se and se.model_dump(),
        "mean": list(mean),
        "std": list(std),
        "weights": "scratch",
    }
    torch.manual_seed(seed)
    classifier = _assemble(config)
    if model.pretrained:
        state, origin = weights.imagenet(recipe.arch, model.weights.get(recipe.arch))
        weights.load(_backbone(classifier), state, origin)
        pretrained = timm.get_pretrained_cfg(recipe.arch)
        assert pretrained is not None, "weights.imagenet has refused what timm has no weights of"
        config |= {"mean": list(pretrained.mean), "std": list(pretrained.std), "weights": origin}
        classifier = Classifier(classifier.net, config)
    return classifier


def restore(checkpoint: Checkpoint) -> Classifier:
    """The classifier that a checkpoint holds, in eval mode."""
    classifier = _assemble(checkpoint.config)
    classifier.load_state_dict(checkpoint.weights)
    return classifier.eval()


def parameter_count(classifier: nn.Module) -> int:
    return sum(parameter.numel() for parameter in classifier.parameters())


def _assemble(config: Mapping[str, Any]) -> Classifier:
    """Architecture with random weights. Raises InputError for what does not fit, found by one dry run."""
    arch, stem, classes = config["arch"], config["stem"], len(config["classes"])
    net: Any = timm.create_model(arch, num_classes=classes, drop_rate=config["drop_rate"])
    if stem is not None:
        _fit_to_small_images(net, arch, Stem(**stem))
    _draw_head_for_few_classes(net)
    if config["se"] is not None:
        net.reset_classifier(0, "")
        net = SqueezeExciteNet(net, net.num_features, classes, **config["se"])
    classifier = Classifier(net, config)
    size = config["input_size"]
    try:
        with torch.no_grad():
            classifier.eval()(torch.zeros(1, 3, size, size, dtype=torch.uint8))
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"{arch} with stem {stem} does not take input_size={size}: {str(error).splitlines()[0]}"
        ) from None
    return classifier


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


def _backbone(classifier: Classifier) -> nn.Module:
    """The timm model, whatever head it has."""
    return classifier.net.backbone if isinstance(classifier.net, SqueezeExciteNet) else classifier.net


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
        if hasattr(net, name):
            return list(net.get_submodule(name).children())
    return [stage for name, stage in net.named_children() if name.startswith("layer")]


def _strided(stage: nn.Module) -> list[nn.Conv2d]:
    return [module for module in stage.modules() if isinstance(module, nn.Conv2d) and module.stride != (1, 1)]
