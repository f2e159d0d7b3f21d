"""Knowledge distillation: a student learns from a teacher's logits on the very batch that it sees itself."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ladder.core.artifacts import checkpoints
from ladder.core.errors import InputError
from ladder.params import Rung
from ladder.training import devices, models
from ladder.training.loop import Loss


def make_loss(teacher_folder: str, classes: tuple[str, ...], cfg: Rung) -> Loss:
    """The loss of a rung that the checkpoint in `teacher_folder` teaches.

    Raises: InputError for a teacher of other classes.
    """
    teacher = models.restore(checkpoints.load(teacher_folder)).to(devices.select(cfg.hardware))
    if tuple(teacher.config["classes"]) != classes:
        raise InputError(
            f"{teacher_folder} knows other classes than data/split: run `dvc repro {Path(teacher_folder).name}`"
        )
    assert cfg.distill is not None, "the rung reads the group `distill`"
    return loss_from(
        teacher,
        temperature=cfg.distill.temperature,
        alpha=cfg.distill.alpha,
        label_smoothing=cfg.recipe.label_smoothing,
    )


def loss_from(teacher: nn.Module, *, temperature: float, alpha: float, label_smoothing: float) -> Loss:
    """The loss of a student of `teacher`, which is frozen and put in eval mode.

    The teacher answers the same augmented images (arXiv 2106.05237: precomputed logits overfit).
    """
    teacher.eval().requires_grad_(False)

    def loss(student: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            soft = teacher(images)
        return distillation(
            student(images), soft, labels, temperature=temperature, alpha=alpha, label_smoothing=label_smoothing
        )

    return loss


def distillation(
    student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float, alpha: float, label_smoothing: float = 0.0
) -> Tensor:
    """(1 - alpha) * CE(student, labels) + alpha * T^2 * KL(teacher || student), both softened by T.

    Args:
        student, teacher: logits (B, C) for the same augmented batch; teacher without gradient.
        labels: int64 (B,), each in [0, C).
        temperature: T > 0, dimensionless.
        alpha: the teacher's share, in [0, 1].
        label_smoothing: of the cross entropy.
    Returns: scalar, mean over B, nats.
    Raises: ValueError if the logit shapes differ.
    Source: Hinton et al. 2015, arXiv:1503.02531.
    """
    if student.shape != teacher.shape:
        raise ValueError(f"student logits are {tuple(student.shape)}, teacher logits {tuple(teacher.shape)}")
    hard = F.cross_entropy(student, labels, label_smoothing=label_smoothing)
    soft = F.kl_div(
        F.log_softmax(student / temperature, 1),
        F.log_softmax(teacher / temperature, 1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - alpha) * hard + alpha * temperature**2 * soft
