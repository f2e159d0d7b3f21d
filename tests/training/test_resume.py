"""Resume state: what is damaged is set aside and training starts anew; a stop says after which epoch it was."""

import os
from pathlib import Path

import pytest
import torch

from ladder.core import errors
from ladder.training.resume import Session

CPU = torch.device("cpu")


def session(folder: Path, name: str = "some-0123") -> Session:
    (folder / name).mkdir(exist_ok=True)
    return Session("train_aug", folder / name, folder / "history.csv")


def state(epochs: int = 2) -> dict:
    return {"model": {"w": torch.arange(9.0)}, "history": [{"epoch": n + 1} for n in range(epochs)]}


def test_a_state_comes_back(tmp_path, capsys):
    assert session(tmp_path).restore(CPU) is None
    session(tmp_path).epoch_done(state())
    back = session(tmp_path).restore(CPU)
    assert torch.equal(back["model"]["w"], state()["model"]["w"])
    assert back["history"] == state()["history"]
    assert capsys.readouterr().out == "train_aug: resuming after epoch 2\n"


def flip(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "flipped": flip,
    "foreign": lambda content: b"\x80\x04K\x03.",
    "without digest": lambda content: content[32:],
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_state_is_named_set_aside_and_not_used(tmp_path, capsys, how):
    path = tmp_path / "some-0123/state.pt"
    for _ in range(2):  # the second finds the name taken
        session(tmp_path).epoch_done(state())
        damaged = DAMAGE[how](path.read_bytes())
        path.write_bytes(damaged)
        assert session(tmp_path).restore(CPU) is None
        said = capsys.readouterr().out
        assert said.startswith("train_aug: the resume state is damaged (")
        assert said.endswith("and was set aside: training starts anew\n")
        assert not path.exists()
        assert path.with_suffix(".damaged").read_bytes() == damaged
    session(tmp_path).epoch_done(state(1))
    assert len(session(tmp_path).restore(CPU)["history"]) == 1


def test_a_folder_in_its_place_is_set_aside(tmp_path):
    session(tmp_path)
    for _ in range(2):
        (tmp_path / "some-0123/state.pt").mkdir()
        assert session(tmp_path).restore(CPU) is None


def test_the_state_of_another_run_is_not_used(tmp_path, capsys):
    session(tmp_path, "other-4567").epoch_done(state())
    session(tmp_path)
    os.rename(tmp_path / "other-4567/state.pt", tmp_path / "some-0123/state.pt")
    assert session(tmp_path).restore(CPU) is None
    assert "or it is of another run" in capsys.readouterr().out


@pytest.mark.parametrize("signal", [KeyboardInterrupt, errors.Terminated])
@pytest.mark.parametrize(("epochs", "when"), [(0, "before the end of its first epoch"), (3, "after epoch 3")])
def test_a_stop_says_after_which_epoch_it_was(tmp_path, capsys, signal, epochs, when):
    ours = session(tmp_path)

    def train(*_) -> None:
        with ours.stoppable():
            for epoch in range(epochs):
                ours.epoch_done(state(epoch + 1))
            raise signal

    with pytest.raises(SystemExit) as end:
        errors.exit_on_input_error(train)
    assert end.value.code == (130 if signal is KeyboardInterrupt else 143)
    assert capsys.readouterr().err == f"train_aug stopped {when}; the same command goes on\n"


def test_a_stop_after_resuming_counts_the_epochs_before(tmp_path):
    session(tmp_path).epoch_done(state(5))
    ours = session(tmp_path)
    with pytest.raises(KeyboardInterrupt) as stop, ours.stoppable():
        ours.restore(CPU)
        raise KeyboardInterrupt
    assert stop.value.__notes__ == ["train_aug stopped after epoch 5"]
