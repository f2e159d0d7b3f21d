"""Kept answers: one question for each view, the same weights after a kill anywhere, and nothing damaged is believed."""

from pathlib import Path

import pytest
import torch

from ladder import params
from ladder.core import states
from ladder.core.artifacts import checkpoints
from ladder.core.errors import InputError
from ladder.core.types import Checkpoint
from ladder.params import Rung
from ladder.teaching import answers, distillation
from ladder.training import batches, distributed, loop, models
from ladder.training.resume import Session

VIEWS, EPOCHS = 2, 5


def rung(tiny, **recipe) -> Rung:
    values = tiny.model_dump()
    quick = {"arch": "test_resnet", "stem": None}
    values["student"] |= quick | {"views": VIEWS, "epochs": EPOCHS, "batch_size": 12, "drop_rate": 0.2, **recipe}
    values["aug"] |= {"hflip": 0.5}
    values["hardware"] |= {"predict_batch_size": 8}
    return params.validate(values).rung("distill")


def network(split, cfg: Rung, seed: int) -> models.Classifier:
    return models.build(cfg.recipe, cfg.model, split.classes, split.mean, split.std, seed)


@pytest.fixture
def taught(split, tiny):
    """A function that trains a student in a folder as the stage does, and gives its weights and what the teacher saw.

    `stop(event)` may end it: called with `asked` for each batch that the teacher sees, `step` for each of the student.
    """
    cfg = rung(tiny)
    teacher = network(split, cfg, 5)
    checkpoints.save("models/train_wise", Checkpoint(teacher.config, teacher.state_dict()))

    def train(folder: Path, stop=lambda event: None):
        folder.mkdir(exist_ok=True)
        questions = []
        restore = models.restore

        def restored(checkpoint: Checkpoint) -> models.Classifier:
            found = restore(checkpoint)

            def note(_, inputs) -> None:
                stop("asked")
                questions.append(inputs[0].clone())

            found.register_forward_pre_hook(note)
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(models, "restore", restored)
            loss = distillation.make_loss("distill", "models/train_wise", cfg, split, folder)

        def watched(model, batch):
            stop("step")
            return loss(model, batch)

        student = network(split, cfg, 0)
        loop.fit(student, split.train, split.val, cfg, Session("distill", folder, folder / "history.csv"), watched)
        return student.state_dict(), questions

    return train


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_teacher_is_asked_once_for_each_view_and_what_is_kept_is_said(taught, split, tmp_path, capsys):
    _, questions = taught(tmp_path / "run")
    assert sum(map(len, questions)) == VIEWS * len(split.train)
    said = [line for line in capsys.readouterr().out.splitlines() if "answers" in line]
    assert said == [
        f"distill: train_wise answers view {n} of 2, once: 0.0 MB to keep, 0.0 MB for all" for n in range(1, VIEWS + 1)
    ]
    files = sorted(path.name for path in (tmp_path / "run").glob("answers-*"))
    assert files == ["answers-1.bin", "answers-2.bin"]
    assert {(tmp_path / "run" / name).stat().st_size for name in files} == {states.DIGEST + 36 * 3 * 4}


def test_they_are_the_answers_to_the_views_that_the_student_sees(split, tiny, tmp_path):
    """In rounds that are mirrored, to the same views before that."""
    cfg = rung(tiny)
    teacher = network(split, cfg, 5)
    kept = answers.Kept("distill", teacher, "train_wise", len(split.train), tmp_path, cfg)
    images, labels = loop.on_device(split.train, torch.device("cpu"))
    for epoch in range(EPOCHS):
        for batch in batches.iterate(images, labels, torch.tensor(split.mean), cfg, epoch, distributed.world()):
            seen = batch.images.flip(3) if epoch in (2, 3) else batch.images
            with torch.no_grad():
                torch.testing.assert_close(kept(batch), teacher(seen))
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


class Killed(BaseException):
    pass


def test_a_kill_anywhere_and_a_resume_give_the_same_weights(taught, tmp_path):
    """A view is five batches for the teacher, an epoch three for the student."""
    whole, _ = taught(tmp_path / "whole")
    for event, after, kept in (("asked", 2, 0), ("step", 1, 1), ("asked", 7, 1), ("step", 4, 2), ("step", 10, 2)):
        folder = tmp_path / f"{event} {after}"
        left = [after]

        def dies(what: str, event=event, left=left) -> None:
            left[0] -= what == event
            if left[0] < 0:
                raise Killed

        with pytest.raises(Killed):
            taught(folder, dies)
        assert len(list(folder.glob("answers-*.bin"))) == kept
        resumed, questions = taught(folder)
        assert same(whole, resumed), folder.name
        assert sum(map(len, questions)) == (VIEWS - kept) * 36


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-4]),
    "flipped": lambda path: path.write_bytes(flip(path.read_bytes())),
    "another view's": lambda path: path.write_bytes((path.parent / "answers-2.bin").read_bytes()),
    "another run's": lambda path: (
        states.write(path.parents[1] / "other.bin", path.read_bytes()[32:])
        or (path.parents[1] / "other.bin").replace(path)
    ),
    "a folder": lambda path: path.unlink() or path.mkdir(),
}


def to_view_one(split, cfg: Rung, folder: Path) -> tuple[torch.Tensor, int]:
    """The answers that a new run's first epoch gets, and how many images the teacher had to see for them."""
    teacher, asked = network(split, cfg, 5), []
    teacher.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    kept = answers.Kept("distill", teacher, "train_wise", len(split.train), folder, cfg)
    images, labels = loop.on_device(split.train, torch.device("cpu"))
    seen = batches.iterate(images, labels, torch.tensor(split.mean), cfg, 0, distributed.world())
    return torch.cat([kept(batch) for batch in seen]), sum(asked)


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_answers_are_named_and_asked_for_again(split, tiny, tmp_path, capsys, how):
    cfg, folder = rung(tiny), tmp_path / "run"
    whole, asked = to_view_one(split, cfg, folder)
    states.write(folder / "answers-2.bin", bytes(36 * 3 * 4))
    assert asked == 36
    for _ in range(2):  # the second finds the name taken
        DAMAGE[how](folder / "answers-1.bin")
        capsys.readouterr()
        again, asked = to_view_one(split, cfg, folder)
        said = capsys.readouterr().out.splitlines()
        assert said[0].startswith("distill: what train_wise answered to view 1 is damaged (")
        assert said[0].endswith("): set aside and asked again")
        assert said[1:] == ["distill: train_wise answers view 1 of 2, once: 0.0 MB to keep, 0.0 MB for all"]
        assert torch.equal(whole, again)
        assert asked == 36
    again, asked = to_view_one(split, cfg, folder)
    assert torch.equal(whole, again)
    assert asked == 0


def test_more_than_may_be_kept_is_refused_at_once(split, tiny, tmp_path, monkeypatch):
    cfg = rung(tiny, views=1000, epochs=100)
    teacher = network(split, cfg, 5)
    answers.Kept("distill", teacher, "train_wise", len(split.train), tmp_path, cfg)
    monkeypatch.setattr(answers, "MOST", 100 * 36 * 3 * 4 - 1)
    message = (
        r"views=1000 in the recipe of distill: what train_wise answers to 100 views of 36 images takes .* lower it"
    )
    with pytest.raises(InputError, match=message):
        answers.Kept("distill", teacher, "train_wise", len(split.train), tmp_path, cfg)
    assert not list(tmp_path.glob("answers-*"))


def ask(folder: str, cfg: Rung, images: torch.Tensor, network: models.Classifier) -> None:
    """As one of several processes: this one's part of an epoch's answers."""
    kept = answers.Kept("distill", network, "train_wise", len(images), Path(folder), cfg)
    labels, mean = torch.zeros(len(images), dtype=torch.int64), torch.zeros(3)
    for epoch in (0, 2):
        found = [kept(batch) for batch in batches.iterate(images, labels, mean, cfg, epoch, distributed.world())]
        torch.save(torch.cat(found), f"{folder}/{epoch}-{distributed.world().rank}.pt")


@pytest.mark.slow
def test_two_processes_divide_a_view_and_both_have_all_answers(split, tiny, tmp_path):
    cfg = rung(tiny)
    teacher, images = network(split, cfg, 5), torch.from_numpy(split.train.images)[:35]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    ask(str(tmp_path / "one"), cfg, images, teacher)
    for _ in range(2):  # the second finds the answers kept
        distributed.run("answers", 2, ask, str(tmp_path / "two"), cfg, images, teacher)
        for epoch in (0, 2):
            alone = torch.load(tmp_path / f"one/{epoch}-0.pt")
            parts = [torch.load(tmp_path / f"two/{epoch}-{rank}.pt") for rank in range(2)]
            assert sum(map(len, parts)) == len(alone)
            torch.testing.assert_close(torch.cat(parts).sort(0).values, alone.sort(0).values)
    assert sorted(path.name for path in (tmp_path / "two").glob("answers-*")) == ["answers-1.bin"]
