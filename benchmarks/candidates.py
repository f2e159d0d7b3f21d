"""What a recipe might gain from a technique that the ladder has not: one training with it, on validation.

    python benchmarks/candidates.py cpu train_aug head_lr=10 ablation.input_size=64 ablation.epochs=2 seed=1

PRESET RUNG, then any of the techniques below, then params as in `time_to_accuracy.py`, whose last line this prints:
best validation accuracy and minutes. What wins at equal minutes is worth a key in params.yaml; docs/recipes.md says
what was tried.

head_lr=10      the new classifier learns ten times as fast (ULMFiT's discriminative rates, arXiv:1801.06146)
ema=0.99        what is scored is a running average of the weights (Polyak and Juditsky 1992, doi:10.1137/0330046)
mixup=0.2       images and labels are mixed in pairs, by Beta(0.2, 0.2) (arXiv:1710.09412)
mirrored=1      logits are averaged with those of the mirrored image, at twice the time to answer
"""

import dataclasses
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import time_to_accuracy
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ladder.core import threads
from ladder.core.errors import InputError, exit_on_input_error
from ladder.core.types import Part
from ladder.params import Rung
from ladder.training import loop
from ladder.training.batches import Batch


def main(preset: str = "", rung: str = "", *changes: str) -> None:
    if not rung:
        raise InputError("give PRESET RUNG and a technique, as in: cpu train_aug head_lr=10")
    asked = {key: number(key, value) for key, _, value in (each.partition("=") for each in changes) if key in KNOWN}
    p = time_to_accuracy.chosen(preset, [each for each in changes if each.partition("=")[0] not in KNOWN])
    cfg = p.rung(rung)
    threads.limit(p.hardware.threads)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as changed:
        for name, value in asked.items():
            KNOWN[name](changed, cfg, value)
        time_to_accuracy.train(rung, cfg, p.data, Path(folder))
        rows = time_to_accuracy.timed(rung, Path(folder))
    print(time_to_accuracy.summary(" ".join([preset, rung, *changes]), 1.0, rows))


def number(key: str, value: str) -> float:
    """Raises InputError unless it is one above 0."""
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise InputError(f"{key} must be a number above 0, not {value!r}")
    return found


def head_lr(changed: ExitStack, cfg: Rung, times: float) -> None:
    """Divide the optimizer's groups of parameters in two: the classifier's learn `times` as fast."""

    def make(model: nn.Module, recipe: Any, plain: Callable = loop.make_optimizer) -> torch.optim.Optimizer:
        optimizer = plain(model, recipe)
        head = {id(each) for name, each in model.named_parameters() if name.split(".")[1] in ("fc", "classifier")}
        for group in list(optimizer.param_groups):
            ours = [each for each in group["params"] if id(each) in head]
            group["params"] = [each for each in group["params"] if id(each) not in head]
            if ours:
                optimizer.add_param_group({**group, "params": ours, "lr": times * group["lr"]})
        return optimizer

    changed.enter_context(mock.patch.object(loop, "make_optimizer", make))


def ema(changed: ExitStack, cfg: Rung, decay: float) -> None:
    averages: list[AveragedModel] = []

    def make(model: nn.Module, recipe: Any, plain: Callable = loop.make_optimizer) -> torch.optim.Optimizer:
        optimizer = plain(model, recipe)
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        averages.append(average)
        optimizer.register_step_post_hook(lambda *_: average.update_parameters(model))
        return optimizer

    def predict(model: nn.Module, part: Part, size: int, plain: Callable = loop.predict) -> Tensor:
        return plain(averages[-1].module, part, size)

    changed.enter_context(mock.patch.object(loop, "make_optimizer", make))
    changed.enter_context(mock.patch.object(loop, "predict", predict))


def mixup(changed: ExitStack, cfg: Rung, alpha: float) -> None:
    drawn = torch.distributions.Beta(alpha, alpha)
    smoothing = cfg.recipe.label_smoothing

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        share, other = drawn.sample(), torch.randperm(len(batch.labels))
        images, labels = batch.images.float(), batch.labels
        logits = model(share * images + (1 - share) * images[other])
        entropy = partial(nn.functional.cross_entropy, logits, label_smoothing=smoothing)
        return share * entropy(labels) + (1 - share) * entropy(labels[other])

    changed.enter_context(mock.patch.object(loop, "labels_alone", return_value=loss))


def mirrored(changed: ExitStack, cfg: Rung, _: float) -> None:
    def predict(model: nn.Module, part: Part, size: int, plain: Callable = loop.predict) -> Tensor:
        other = dataclasses.replace(part, images=part.images[..., ::-1].copy())
        return (plain(model, part, size) + plain(model, other, size)) / 2

    changed.enter_context(mock.patch.object(loop, "predict", predict))


KNOWN = {"head_lr": head_lr, "ema": ema, "mixup": mixup, "mirrored": mirrored}


if __name__ == "__main__":
    exit_on_input_error(main)
