"""Monte Carlo dropout: several answers of one network, each with other units dropped. Gal and Ghahramani 2016,
arXiv:1506.02142.

The networks here have dropout before their last layer only. So the passes share their features and differ in the last
layer alone: what the features miss or mistake, all passes miss or mistake together. They show little more than the
softmax of a single pass does, and say nothing of images unlike the training set; an ensemble of separately trained
networks or dropout in every layer does better (and costs more).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ladder.core.errors import InputError
from ladder.training import tensors
from ladder.training.models import Classifier, SqueezeExciteNet, at_a_time


@torch.inference_mode()
def mc_dropout(
    model: Classifier, images: np.ndarray, *, passes: int, seed: int, batch_size: int, name: str
) -> np.ndarray:
    """Log probabilities of `passes` passes with dropout on and all else, BatchNorm too, as in evaluation.

    Args:
        images: uint8 (N, 3, H, W).
        passes: T, at least 2.
        seed: with batch_size it fixes what is dropped; the global random state is left as it was.
        batch_size: images at a time, of up to 32 px; of larger ones fewer (see `models.at_a_time`).
        name: of the model, for messages.
    Returns: float32 (T, N, C), nats. The model is left in the mode that it came in.
    Raises: InputError for a model without active dropout: all its passes are equal, so an uncertainty of 0 would come
        of it, whatever the image.
    """
    device = next(model.parameters()).device
    sampled: list[Tensor] = []
    with dropout_on(model) as active, torch.random.fork_rng([device] if device.type == "cuda" else []):
        if not active:
            raise _inactive(name)
        torch.manual_seed(seed)
        body, head = _split(model)
        for batch in tensors.over(images).split(at_a_time(model, images.shape[-1], batch_size)):
            batch = batch.to(device)
            features = body(batch)
            if not sampled and not torch.equal(features, body(batch)):  # dropout in the features as well
                body, head = _whole(model)
                features = batch
            logits = torch.stack([head(features) for _ in range(passes)])  # (T, B, C)
            sampled.append(logits.log_softmax(-1).cpu())
    samples = torch.cat(sampled, dim=1).numpy()
    if np.array_equal(samples[1:], samples[:-1]):
        raise _inactive(name)
    return samples


@contextmanager
def dropout_on(model: nn.Module) -> Iterator[bool]:
    """Eval mode but for dropout: whether there is any with a rate above 0. Restores every module's own mode.

    Dropout is a module, or timm's function in a net's forward that asks its `drop_rate` and its own `training` flag
    (a module's flag says nothing to its children). Stochastic depth is none.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    dropping = [module for module in modes if _drop_rate(module) > 0]
    for module in dropping:
        module.training = True
    try:
        yield bool(dropping)
    finally:
        for module, mode in modes.items():
            module.training = mode


def _drop_rate(module: nn.Module) -> float:
    if isinstance(module, _BatchNorm):
        return 0.0
    return float(module.p if isinstance(module, _DropoutNd) else getattr(module, "drop_rate", 0.0))


Function = Callable[[Tensor], Tensor]


def _split(model: Classifier) -> tuple[Function, Function]:
    """Pixels -> features and features -> logits, so that passes can share the features."""
    net: Any = model.net
    if isinstance(net, SqueezeExciteNet):
        return lambda images: net.se(net.backbone(model.prepare(images))), lambda x: _answer(net, x)
    if not (hasattr(net, "forward_features") and hasattr(net, "forward_head")):
        return _whole(model)
    return lambda images: net.forward_features(model.prepare(images)), lambda x: net.forward_head(x).float()


def _answer(net: SqueezeExciteNet, features: Tensor) -> Tensor:
    return net.fc(net.dropout(features.mean((2, 3)))).float()


def _whole(model: Classifier) -> tuple[Function, Function]:
    return lambda images: images, model


def _inactive(name: str) -> InputError:
    return InputError(
        f"{name} has no active dropout, all its passes would be equal: set the drop_rate of its recipe (of `se`, where"
        " that is its head) in params.yaml above 0 and train it again"
    )
