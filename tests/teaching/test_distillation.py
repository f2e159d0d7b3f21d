"""The loss by hand, and a teacher that is never changed."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ladder import params
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint
from ladder.teaching import answers, distillation
from ladder.training import loop, models
from ladder.training.resume import Session

STUDENT = torch.tensor([[0.0, math.log(3.0)], [1.0, -1.0]])
TEACHER = torch.tensor([[math.log(2.0), 0.0], [0.5, 2.0]])
LABELS = torch.tensor([1, 0])


def loss(student=STUDENT, teacher=TEACHER, temperature=1.0, alpha=1.0) -> float:
    return float(distillation.distillation(student, teacher, LABELS, temperature=temperature, alpha=alpha))


def test_alpha_zero_is_cross_entropy():
    assert loss(alpha=0.0) == pytest.approx(float(F.cross_entropy(STUDENT, LABELS)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_a_student_that_equals_its_teacher_loses_nothing(temperature):
    assert loss(student=TEACHER, temperature=temperature) == pytest.approx(0.0, abs=1e-7)


def test_kl_by_hand():
    student, teacher = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([[math.log(2.0), 0.0]])
    got = distillation.distillation(student, teacher, torch.tensor([0]), temperature=1.0, alpha=1.0)
    assert float(got) == pytest.approx(2 / 3 * math.log((2 / 3) / (1 / 4)) + 1 / 3 * math.log((1 / 3) / (3 / 4)))


def test_temperature_softens_both_and_is_squared():
    def kl(temperature: float) -> float:
        q, p = (torch.softmax(x.double() / temperature, 1).numpy() for x in (STUDENT, TEACHER))
        return float((p * np.log(p / q)).sum(1).mean())

    assert loss(temperature=3.0) == pytest.approx(9 * kl(3.0), rel=1e-5)
    assert loss(temperature=3.0, alpha=0.25) == pytest.approx(
        0.75 * float(F.cross_entropy(STUDENT, LABELS)) + 0.25 * 9 * kl(3.0), rel=1e-5
    )


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"student logits are \(2, 2\), teacher logits \(2, 3\)"):
        loss(teacher=torch.zeros(2, 3))


def test_the_teacher_stays_as_it_was_and_sees_the_students_images(split, tiny, tmp_path):
    cfg = tiny.rung("distill")
    teacher = models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, seed=5).train()
    student = models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, seed=0)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    seen: dict[str, list] = {"teacher": [], "student": []}
    teacher.register_forward_pre_hook(lambda _, inputs: seen["teacher"].append(inputs[0]))
    student.register_forward_pre_hook(lambda net, inputs: seen["student"].append(inputs[0]) if net.training else None)
    loss_fn = distillation.loss_from(answers.asked(teacher), temperature=2.0, alpha=1.0, label_smoothing=0.0)
    assert not teacher.training
    loop.fit(student, split.train, split.val, cfg, Session("distill", tmp_path, tmp_path / "h.csv"), loss_fn)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert len(seen["teacher"]) == cfg.recipe.epochs, "36 images are one batch"
    assert all(torch.equal(a, b) for a, b in zip(seen["teacher"], seen["student"], strict=True))


@pytest.mark.parametrize("teacher", ["distill", "train_efnet", "ensemble"])
def test_a_teacher_is_a_training_stage(tiny, teacher):
    values = tiny.model_dump()
    values["distill"]["teacher"] = teacher
    with pytest.raises(InputError, match=r"distill\.teacher must be a training stage"):
        params.validate(values)


def test_the_se_head_by_hand(split, tiny):
    cfg = tiny.rung("train_se")
    net = models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, 0, cfg.se).eval()
    head, images = net.net, torch.from_numpy(split.val.images)
    with torch.no_grad():
        features = head.backbone(net.prepare(images))  # (B, D, H, W)
        squeezed = features.mean((2, 3))  # (B, D)
        excited = F.relu(squeezed @ head.se.fc1.weight[:, :, 0, 0].T + head.se.fc1.bias)
        gates = torch.sigmoid(excited @ head.se.fc2.weight[:, :, 0, 0].T + head.se.fc2.bias)
        expected = head.fc(squeezed * gates)
        torch.testing.assert_close(net(images), expected)
    assert head.se.fc1.out_channels == features.shape[1] // cfg.se.reduction
    twin = models.restore(Checkpoint(net.config, net.state_dict()))
    with torch.no_grad():
        assert torch.equal(twin(images), net(images))


def test_se_adds_its_head_and_nothing_else(tiny):
    resnet, se = tiny.rung("train_resnet"), tiny.rung("train_se")
    assert se.model_copy(update={"se": None}) == resnet
