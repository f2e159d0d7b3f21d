"""Knowledge distillation: a student learns from a teacher's logits on the very view that it sees itself.

(With `views`, every second round shows the student that view mirrored: see `training.batches`.)
"""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from ladder.core.artifacts import checkpoints
from ladder.core.errors import InputError
from ladder.core.types import Split
from ladder.params import Rung
from ladder.teaching.answers import Answers, Kept, asked
from ladder.training import devices, models
from ladder.training.batches import Batch
from ladder.training.loop import Loss


def make_loss(name: str, teacher_folder: str, cfg: Rung, split: Split, state: Path) -> Loss:
    """The loss of the rung `name` that the checkpoint in `teacher_folder` teaches.

    Args:
        state: the folder of the run's resume state, where answers are kept.
    Raises: InputError for a teacher of other classes, or more answers than may be kept.
    """
    teacher = models.restore(checkpoints.load(teacher_folder)).to(devices.select(cfg.hardware))
    called = Path(teacher_folder).name
    if tuple(teacher.config["classes"]) != split.classes:
        raise InputError(f"{teacher_folder} knows other classes than data/split: run `dvc repro {called}`")
    assert cfg.distill is not None, "the rung reads the group `distill`"
    keeps = cfg.views is not None
    return loss_from(
        Kept(name, teacher, called, len(split.train), state, cfg) if keeps else asked(teacher),
        temperature=cfg.distill.temperature,
        alpha=cfg.distill.alpha,
        label_smoothing=cfg.recipe.label_smoothing,
    )


def loss_from(answers: Answers, *, temperature: float, alpha: float, label_smoothing: float) -> Loss:
    """The loss of a student of a teacher's `answers`, which are to the augmented images (arXiv 2106.05237: those to the
    images as they are lead it to overfit)."""

    def loss(student: nn.Module, batch: Batch) -> Tensor:
        soft = answers(batch)
        return distillation(
            student(batch.images),
            soft,
            batch.labels,
            temperature=temperature,
            alpha=alpha,
            label_smoothing=label_smoothing,
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
