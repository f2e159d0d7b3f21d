"""What a teacher answers to the images of a batch: asked for each batch, or once for each view and kept."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ladder.core import memory, states
from ladder.core.errors import InputError
from ladder.params import Rung
from ladder.training import batches, devices, distributed
from ladder.training.batches import Batch, View
from ladder.training.models import Classifier, at_a_time
from ladder.training.progress import say

Answers = Callable[[Batch], Tensor]  # -> logits float32 (B, C), without gradient

MOST = 4_000_000_000  # bytes that the answers of one run may take
SIZE = 4  # bytes of a float32


def asked(teacher: nn.Module) -> Answers:
    """The answers of a teacher that sees every batch. It is frozen and put in eval mode."""
    teacher.eval().requires_grad_(False)

    def answers(batch: Batch) -> Tensor:
        with torch.no_grad():
            return teacher(batch.images)

    return answers


class Kept:
    """The answers of a teacher that sees each view of the training images once, when it first comes.

    They lie in one file for each view among the run's resume state, and go with it. A run that goes on after a kill
    asks for no view again whose answers are there; those that are damaged are set aside in one line, and asked for
    again. Several processes divide the images of a view.

    Args:
        name: of the stage that learns, for messages; `called`: that of the teacher, which is frozen, in eval mode.
        images: how many the training part has.
        folder: of the resume state.
        cfg: with `views`.
    Raises: InputError where all answers would take more than `MOST` bytes.
    """

    def __init__(self, name: str, teacher: Classifier, called: str, images: int, folder: Path, cfg: Rung):
        self._name, self._teacher, self._called, self._folder, self._cfg = name, teacher, called, folder, cfg
        self._views = batches.count(cfg)
        self._bytes = images * len(teacher.config["classes"]) * SIZE  # of one view's answers
        if self._views * self._bytes > MOST:
            raise InputError(
                f"views={cfg.views} in the recipe of {name}: what {called} answers to {self._views:,} views of"
                f" {images:,} images takes {self._views * self._bytes / 1e9:.1f} GB to keep, more than"
                f" {MOST / 1e9:.0f}: lower it, or set it to null, to ask for each batch"
            )
        teacher.eval().requires_grad_(False)
        teacher.to(memory_format=torch.channels_last)
        self._number = -1
        self._answers = torch.empty(0)  # (N, C), to the view of that number

    def __call__(self, batch: Batch) -> Tensor:
        assert batch.view is not None, "the recipe has views"
        if batch.view.number != self._number:
            self._answers, self._number = self._to(batch.view), batch.view.number
        return self._answers[batch.places]

    def _to(self, view: View) -> Tensor:
        """The answers (N, C) to a view: those kept if all processes find them (several machines have a file each)."""
        world, path = distributed.world(), self._folder / f"answers-{view.number + 1}.bin"
        damaged = f"{self._name}: what {self._called} answered to view {view.number + 1} is damaged"
        content = states.read(path, damaged + " ({}): set aside and asked again")
        if world.sum(float(content is not None)) == world.size:
            found = torch.frombuffer(bytearray(content or b""), dtype=torch.float32)
            return found.view(len(view), -1).to(devices.select(self._cfg.hardware))
        if world.rank == 0:
            say(
                f"{self._name}: {self._called} answers view {view.number + 1} of {self._views}, once:"
                f" {self._bytes / 1e6:.1f} MB to keep, {self._views * self._bytes / 1e6:.1f} MB for all"
            )
        answers = self._asked(view)
        if world.writes:
            states.write(path, answers.cpu().numpy().tobytes())
        return answers

    @torch.no_grad()
    def _asked(self, view: View) -> Tensor:
        """The answers (N, C) to a view before any mirroring, in the precision of the teacher's own training."""
        world, device = distributed.world(), devices.select(self._cfg.hardware)
        dtype = devices.precision(self._teacher.config["arch"], self._cfg.hardware, device)
        size = self._cfg.hardware.predict_batch_size
        at_once = at_a_time(self._teacher, view.image_size, size)
        places = torch.arange(len(view), device=device)
        answers = torch.zeros(len(view), len(self._teacher.config["classes"]), device=device)
        with (
            memory.lowering({"hardware.predict_batch_size": size}),
            torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
        ):
            for some in world.share(places).split(at_once):
                answers[some] = self._teacher(view.plain(some))
        return world.total(answers)
