"""Train one classifier on a split that lies on the device as uint8, and keep the epoch that is best on validation.

All randomness of an epoch follows from (seed, epoch) (`batches.py`), so that a run resumed after an epoch ends with the
same bytes.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import timm.optim
import torch
from torch import Tensor, nn

from ladder.core import memory
from ladder.core.errors import InputError, nearest
from ladder.core.types import Logits, Part
from ladder.params import Recipe, Rung
from ladder.training import batches, devices, distributed, tensors
from ladder.training.batches import Batch
from ladder.training.distributed import World
from ladder.training.models import Classifier, at_a_time
from ladder.training.progress import Progress
from ladder.training.resume import Session

Loss = Callable[[nn.Module, Batch], Tensor]


class Diverged(InputError):
    """The training loss is no longer a number."""


@dataclass(frozen=True)
class Best:
    """The best epoch so far: its validation accuracy, weights (on the CPU) and validation logits (N, C)."""

    epoch: int
    accuracy: float
    weights: dict[str, Tensor]
    logits: Tensor


def cross_entropy(model: nn.Module, images: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy of model(images) against labels int64 (B,): scalar, mean over B, nats."""
    return nn.functional.cross_entropy(model(images), labels, label_smoothing=label_smoothing)


def labels_alone(label_smoothing: float) -> Loss:
    """The loss of a rung without a teacher."""
    return lambda model, batch: cross_entropy(model, batch.images, batch.labels, label_smoothing=label_smoothing)


def fit(model: Classifier, train: Part, val: Part, cfg: Rung, session: Session, loss_fn: Loss | None = None) -> Logits:
    """Train `model` in place and leave it with the weights of its best epoch, in eval mode.

    Args and raises: as `advance`.
    Returns: logits of the best epoch on `val`.
    """
    best, history = advance(model, train, val, cfg, session, loss_fn)
    assert best is not None  # there is at least one epoch, and this process by itself writes
    session.write_history(history)
    model.load_state_dict(best.weights)
    model.eval()
    return Logits(best.logits.numpy(), val.labels, val.ids)


def advance(
    model: Classifier, train: Part, val: Part, cfg: Rung, session: Session, loss_fn: Loss | None = None
) -> tuple[Best | None, list[dict[str, float]]]:
    """Train from where the session stands to the last epoch, alone or as one of several processes.

    Args:
        loss_fn: (model, batch) -> scalar mean loss; None: cross entropy with the recipe's smoothing.
    Returns: the best epoch and a row per epoch, as far as this process writes.
    Raises: Diverged; InputError for an optimizer or momentum that timm does not have, or a batch of one image.
    """
    recipe, world = cfg.recipe, distributed.world()
    device = devices.select(cfg.hardware)
    dtype = devices.precision(recipe.arch, cfg.hardware, device)
    loss_fn = loss_fn or labels_alone(recipe.label_smoothing)
    model.to(device).to(memory_format=torch.channels_last)  # on a CPU up to twice as fast for the ladder's networks
    steps = math.ceil(len(train) / recipe.batch_size)
    if len(train) // steps < 2 * world.size:
        shared = f", each over {world.size} processes," if world.size > 1 else ""
        raise InputError(
            f"{len(train)} training images in batches of at most {recipe.batch_size}{shared} leave a batch of one"
            " image, over which batch normalization cannot normalize: it takes at least 2 images, for an odd number"
            f" batch_size {2 * world.size + 1}"
        )
    optimizer = make_optimizer(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(relative_lr, recipe, steps))
    images, labels = on_device(train, device)

    best: Best | None = None
    history: list[dict[str, float]] = []
    state = session.restore(device)
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        best, history = Best(**state["best"]), state["history"]
        del state  # it holds the network once more
    if world.sum(len(history)) != world.size * len(history):
        raise InputError(
            f"{session.name}: the machines hold resume states of different epochs (this one: {len(history)}): copy"
            " .ladder/state of one to the others, or `make clean` on all"
        )
    forward: Any = model if world.size == 1 else distributed.parallel(model, cfg.hardware.sync_batch_norm)
    forward = torch.compile(forward) if cfg.hardware.compile else forward

    progress = Progress(session.name, recipe.epochs, len(train), done=len(history), shown=world.rank == 0)
    for epoch in range(len(history), recipe.epochs):
        seen = batches.iterate(images, labels, model.mean.flatten(), cfg, epoch, world)
        loss = train_epoch(forward, seen, autocast(loss_fn, device, dtype), optimizer, schedule, progress, world)
        if not math.isfinite(loss):
            raise Diverged(f"epoch {epoch + 1}: the training loss is {loss} at lr={recipe.lr}: lower the learning rate")
        if not world.writes:
            continue

        logits = predict(model, val, cfg.hardware.predict_batch_size)
        scores: dict[str, float] = {
            "epoch": epoch + 1,
            "lr": float(schedule.get_last_lr()[0]),
            "train_loss": loss,
            "val_loss": float(nn.functional.cross_entropy(logits, torch.from_numpy(val.labels))),
            "val_accuracy": float((logits.argmax(1).numpy() == val.labels).mean()),
        }
        history.append(scores)
        if best is None or scores["val_accuracy"] > best.accuracy:
            best = Best(epoch + 1, scores["val_accuracy"], cpu_copy(model), logits)
        session.epoch_done(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "best": asdict(best),
                "history": history,
            }
        )
        progress.epoch_done(scores)
    progress.close()
    return best, history


def train_epoch(
    model: Any, batches: Iterator[Batch], loss_fn: Loss, optimizer, schedule, progress: Progress, world: World
) -> float:
    """One pass over the batches, of which this process sees its parts; the mean loss over all images."""
    model.train()
    total: float | Tensor = 0.0
    seen = 0
    for batch in batches:
        loss = loss_fn(model, batch)  # mean over B
        optimizer.zero_grad(set_to_none=True)
        (loss * world.weight(len(batch.labels), batch.whole)).backward()
        optimizer.step()
        schedule.step()  # per step
        total += loss.detach() * len(batch.labels)  # no device sync
        seen += batch.whole
        progress.step(batch.whole, loss.detach())
    return world.sum(total) / seen


def autocast(loss_fn: Loss, device: torch.device, dtype: torch.dtype) -> Loss:
    """The same loss, its forward pass in mixed precision.

    For one step at a time: within its context autocast keeps the weights that it has cast, and would never see an
    optimizer change them.
    """

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            return loss_fn(model, batch)

    return loss


@torch.inference_mode()
def predict(model: Classifier, part: Part, batch_size: int) -> Tensor:
    """Logits float32 (N, C) on the CPU, in float32 arithmetic whatever the model was trained in; eval mode.

    Args:
        batch_size: images at a time, of up to 32 px; of larger ones fewer (see `models.at_a_time`).
    """
    model.eval()
    device = next(model.parameters()).device
    batches = tensors.over(part.images).split(at_a_time(model, part.images.shape[-1], batch_size))
    with memory.lowering({"hardware.predict_batch_size": batch_size}):
        return torch.cat([model(batch.to(device)).cpu() for batch in batches])


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """timm's optimizer by name. Raises InputError for an unknown one, or a momentum it does not take or lacks."""
    name = recipe.optimizer
    known = [str(optimizer) for optimizer in timm.optim.list_optimizers()]
    if name not in known:
        raise InputError(f"timm {timm.__version__} has no optimizer {name!r}{nearest(name, known)}")
    takes_momentum = timm.optim.get_optimizer_info(name).has_momentum
    if takes_momentum != (recipe.momentum is not None):
        expected = "a number below 1" if takes_momentum else "null: it has none"
        raise InputError(f"momentum={recipe.momentum} with optimizer {name}: momentum must be {expected}")
    momentum: dict[str, Any] = {"momentum": recipe.momentum} if takes_momentum else {}
    return timm.optim.create_optimizer_v2(model, name, lr=recipe.lr, weight_decay=recipe.weight_decay, **momentum)


def relative_lr(recipe: Recipe, steps_per_epoch: int, step: int) -> float:
    """Learning rate at `step` as a share of `recipe.lr`: linear warmup, then constant or a half cosine to zero.

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
    """
    total, warmup = recipe.epochs * steps_per_epoch, recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if recipe.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def on_device(part: Part, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, 3, H, W) and labels int64 (N,), resident on the device."""
    return tensors.over(part.images).to(device), tensors.over(part.labels).to(device)


def cpu_copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
