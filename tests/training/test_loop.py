"""The loop: learns, is deterministic, resumes, keeps the best epoch, and refuses what cannot work."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ladder.core.artifacts import checkpoints
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint
from ladder.params import Rung
from ladder.training import loop, models
from ladder.training.resume import Session


def rung(tiny, group="ablation", aug=True, **changes) -> Rung:
    values = tiny.rung("train_aug" if aug else "train_noaug").model_dump()
    values["recipe"] = getattr(tiny, group).model_dump() | {"batch_size": 12} | changes
    return Rung.model_validate(values)


def build(split, cfg: Rung) -> models.Classifier:
    return models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, cfg.seed)


def fit(split, cfg: Rung, folder, **kwargs):
    folder.mkdir(exist_ok=True)
    model = build(split, cfg)
    logits = loop.fit(model, split.train, split.val, cfg, Session("rung", folder, folder / "history.csv"), **kwargs)
    return model, logits


def weights_equal(a, b) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_memorises_its_training_images(split, tiny, tmp_path, precision):
    cfg = rung(tiny, aug=False, epochs=12, optimizer="adamw", momentum=None, lr=0.003, input_size=32)
    cfg = cfg.model_copy(update={"hardware": cfg.hardware.model_copy(update={"precision": precision})})
    twin = replace(split, val=split.train)
    model, logits = fit(twin, cfg, tmp_path / "a")
    assert (logits.logits.argmax(1) == split.train.labels).mean() == 1.0
    assert (loop.predict(model, split.train, 7).argmax(1).numpy() == split.train.labels).all()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(split, tiny, tmp_path):
    cfg = rung(tiny, drop_rate=0.3)
    one, _ = fit(split, cfg, tmp_path / "a")
    two, _ = fit(split, cfg, tmp_path / "b")
    other, _ = fit(split, cfg.model_copy(update={"seed": 1}), tmp_path / "c")
    assert weights_equal(one, two)
    assert not weights_equal(one, other)
    assert (tmp_path / "a/history.csv").read_bytes() == (tmp_path / "b/history.csv").read_bytes()


@pytest.mark.parametrize(
    ("optimizer", "momentum"), [("muon", 0.9), ("sgd", 0.9), ("adamw", None)], ids=["muon", "sgd", "adamw"]
)
@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_resumed_run_ends_with_the_bytes_of_an_uninterrupted_one(
    split, tiny, tmp_path, monkeypatch, optimizer, momentum, killed_after
):
    cfg = rung(tiny, epochs=3, drop_rate=0.3, optimizer=optimizer, momentum=momentum, schedule="cosine")
    whole, whole_logits = fit(split, cfg, tmp_path / "whole")

    class Killed(BaseException):
        pass

    epochs = []
    real = loop.train_epoch

    def dies(*args):
        epochs.append(1)
        if len(epochs) > killed_after:
            raise Killed
        return real(*args)

    monkeypatch.setattr(loop, "train_epoch", dies)
    with pytest.raises(Killed):
        fit(split, cfg, tmp_path / "cut")
    assert len(pd.read_csv(tmp_path / "cut/history.csv")) == killed_after, "the history of a run in progress"
    monkeypatch.setattr(loop, "train_epoch", real)
    resumed, resumed_logits = fit(split, cfg, tmp_path / "cut")

    assert weights_equal(whole, resumed)
    assert np.array_equal(whole_logits.logits, resumed_logits.logits)
    assert (tmp_path / "whole/history.csv").read_bytes() == (tmp_path / "cut/history.csv").read_bytes()
    checkpoints.save(tmp_path / "m1", Checkpoint(whole.config, whole.state_dict()))
    checkpoints.save(tmp_path / "m2", Checkpoint(resumed.config, resumed.state_dict()))
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "m1" / name).read_bytes() == (tmp_path / "m2" / name).read_bytes()


def test_a_finished_run_is_emitted_again_without_training(split, tiny, tmp_path, monkeypatch):
    cfg = rung(tiny)
    first, logits = fit(split, cfg, tmp_path / "a")
    (tmp_path / "a/history.csv").unlink()
    monkeypatch.setattr(loop, "train_epoch", lambda *_: pytest.fail("trained again"))
    second, again = fit(split, cfg, tmp_path / "a")
    assert weights_equal(first, second)
    assert np.array_equal(logits.logits, again.logits)
    assert len(pd.read_csv(tmp_path / "a/history.csv")) == cfg.recipe.epochs


def test_the_epoch_that_is_best_on_validation_is_kept(split, tiny, tmp_path, monkeypatch):
    """Logits are made up: epoch 2 of 3 has the most right answers."""
    right = {1: 5, 2: 11, 3: 8}
    seen = []

    def predict(model, part, batch_size):
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        answers = part.labels.copy()
        wrong = len(answers) - right[len(seen)]
        answers[:wrong] = (answers[:wrong] + 1) % 3
        return torch.nn.functional.one_hot(torch.from_numpy(answers), 3).float()

    monkeypatch.setattr(loop, "predict", predict)
    model, logits = fit(split, rung(tiny, epochs=3), tmp_path / "a")
    history = pd.read_csv(tmp_path / "a/history.csv")
    assert history["val_accuracy"].tolist() == pytest.approx([5 / 12, 11 / 12, 8 / 12])
    assert (logits.logits.argmax(1) == split.val.labels).sum() == 11
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in model.state_dict().items())


def test_the_schedule_by_hand(tiny):
    cosine = rung(tiny, epochs=4, warmup_epochs=1.0, schedule="cosine").recipe
    rates = [loop.relative_lr(cosine, 3, step) for step in range(13)]
    assert rates[:3] == [1 / 4, 2 / 4, 3 / 4]
    assert rates[3] == 1.0
    assert rates[3 + 9 // 3] == pytest.approx(0.5 * (1 + math.cos(math.pi / 3)))
    assert rates[12] == pytest.approx(0.0)
    assert rates[3:] == sorted(rates[3:], reverse=True)
    constant = rung(tiny, epochs=4, warmup_epochs=0.0, schedule="constant").recipe
    assert {loop.relative_lr(constant, 3, step) for step in range(12)} == {1.0}


def test_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, math.log(3)]])
    loss = loop.cross_entropy(torch.nn.Identity(), logits, torch.tensor([1]))
    assert float(loss) == pytest.approx(-math.log(3 / 4))
    smooth = loop.cross_entropy(torch.nn.Identity(), logits, torch.tensor([1]), label_smoothing=0.2)
    assert float(smooth) == pytest.approx(-(0.9 * math.log(3 / 4) + 0.1 * math.log(1 / 4)))


def test_a_loss_that_is_no_number_ends_the_run(split, tiny, tmp_path):
    cfg = rung(tiny, optimizer="sgd", lr=1000.0, weight_decay=1000.0, warmup_epochs=0.0)
    with pytest.raises(loop.Diverged, match=r"epoch 1: the training loss is .* at lr=1000.0"):
        fit(split, cfg, tmp_path / "a")
    assert not (tmp_path / "a/history.csv").exists()


@pytest.mark.parametrize(
    ("optimizer", "momentum", "message"),
    [
        ("adamm", None, "no optimizer 'adamm'; did you mean adam"),
        ("adamw", 0.9, "momentum must be null"),
        ("sgd", None, "momentum must be a number below 1"),
    ],
)
def test_optimizers_timm_does_not_have_are_refused(split, tiny, tmp_path, optimizer, momentum, message):
    with pytest.raises(InputError, match=message):
        fit(split, rung(tiny, optimizer=optimizer, momentum=momentum), tmp_path / "a")


def test_predict_does_not_depend_on_the_batch_size_and_leaves_batchnorm_alone(split, tiny):
    cfg = rung(tiny, drop_rate=0.5)
    model = build(split, cfg)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.testing.assert_close(loop.predict(model, split.val, 5), loop.predict(model, split.val, 12))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_larger_inputs_are_predicted_in_smaller_batches_of_read_only_images(split, tiny, recwarn):
    model, seen = build(split, rung(tiny, input_size=64)), []
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    split.val.images.flags.writeable = False
    loop.predict(model, split.val, 20)
    assert seen == [5, 5, 2]
    assert not recwarn.list


def test_bfloat16_trains_and_predicts_in_float32(split, tiny, tmp_path):
    # 32 px: torch 2.15 leaves some weight gradients of 1x1 feature maps in bfloat16 uninitialized on the CPU
    cfg = rung(tiny, input_size=32)
    low = cfg.model_copy(update={"hardware": cfg.hardware.model_copy(update={"precision": "bfloat16"})})
    model, logits = fit(split, low, tmp_path / "a")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert logits.logits.dtype == np.float32
    assert not weights_equal(model, fit(split, cfg, tmp_path / "b")[0]), "bfloat16 was not used"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_a_gpu_is_deterministic(split, tiny, tmp_path):
    cfg = rung(tiny, drop_rate=0.3)
    cfg = cfg.model_copy(update={"hardware": cfg.hardware.model_copy(update={"device": "cuda", "precision": "auto"})})
    assert weights_equal(fit(split, cfg, tmp_path / "a")[0], fit(split, cfg, tmp_path / "b")[0])


@pytest.mark.parametrize(("images", "batch_size"), [(n, b) for n in range(1, 12) for b in range(2, 6)])
def test_a_batch_of_one_image_is_refused_before_training(split, tiny, tmp_path, monkeypatch, images, batch_size):
    cfg = rung(tiny, aug=False, batch_size=batch_size)
    train = type(split.train)(split.train.images[:images], split.train.labels[:images], split.train.ids[:images])
    steps = math.ceil(images / batch_size)
    smallest = min(len(batch) for batch in torch.arange(images).tensor_split(steps))

    class Started(Exception):
        pass

    def starts(*_):
        raise Started

    monkeypatch.setattr(loop, "train_epoch", starts)
    refused = smallest == 1
    with pytest.raises(InputError if refused else Started, match="leave a batch of one image" if refused else None):
        fit(replace(split, train=train), cfg, tmp_path / "run")
