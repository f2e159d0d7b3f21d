"""One training over several processes, connected by gloo on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch

from imports import ROOT, SRC
from ladder import params
from ladder.core.artifacts import predictions, splits
from ladder.core.errors import InputError
from ladder.training import distributed, loop

IMAGES = 11  # an odd number, so that the two parts differ in size


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(IMAGES, 3, 32, 32, generator=draw), torch.randint(3, (IMAGES,), generator=draw)


def network(arch: str) -> torch.nn.Module:
    torch.manual_seed(0)
    sized = {"img_size": 32} if "vit" in arch else {}
    return timm.create_model(arch, num_classes=3, **sized).train()


def one_step(arch: str, folder: str) -> None:
    """One step's gradients on this process' part of a batch, saved by the one that writes."""
    world, model = distributed.world(), network(arch)
    images, labels = (world.share(whole) for whole in batch())
    shared = distributed.parallel(model, synchronized=True)
    loss = loop.cross_entropy(shared, images, labels)
    (loss * world.weight(len(labels), IMAGES)).backward()
    assert world.sum(len(labels)) == IMAGES
    if world.writes:
        state = {f"gradient of {name}": weight.grad for name, weight in model.named_parameters()}
        torch.save(state | dict(model.named_buffers()), f"{folder}/{arch}.pt")


@pytest.mark.parametrize("arch", ["test_vit", "test_resnet", "test_efficientnet"])
def test_the_gradients_of_two_processes_are_those_of_one(arch, tmp_path):
    """test_vit has no BatchNorm, test_efficientnet one with its activation inside; the others' is synchronized."""
    distributed.run("gradients", 2, one_step, arch, str(tmp_path))
    model, (images, labels) = network(arch), batch()
    loop.cross_entropy(model, images, labels).backward()
    alone = {f"gradient of {name}": weight.grad for name, weight in model.named_parameters()}
    alone |= dict(model.named_buffers())
    shared = torch.load(tmp_path / f"{arch}.pt", weights_only=True)
    assert alone.keys() == shared.keys()
    largest = max(float(value.abs().max()) for name, value in alone.items() if name.startswith("gradient"))
    for name, value in alone.items():
        scale = largest if name.startswith("gradient") else max(1.0, float(value.abs().max()))
        assert float((shared[name] - value).abs().max()) <= 1e-5 * scale, name


def refuses() -> None:
    raise InputError("lr is too large")


def dies() -> None:
    if distributed.world().rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def test_the_message_of_a_process_is_the_runs(capfd):
    with pytest.raises(InputError, match=r"^lr is too large$"):
        distributed.run("refusing", 2, refuses)


def test_a_process_that_dies_ends_the_run_with_one_message():
    with pytest.raises(InputError, match="process 1 of 2 ended with SIGKILL, and the others were stopped"):
        distributed.run("dying", 2, dies)


CODE = """
import sys
from ladder.core import runs
from ladder.core.artifacts import splits
from ladder.core.errors import exit_on_input_error
from ladder.training import rungs

def main():
    select = lambda p: p.rung("train_aug")
    with runs.stage("train_aug", select, inputs=["data/split"], outputs=rungs.outputs("train_aug")) as run:
        rungs.train(run, splits.load("data/split"))

if __name__ == "__main__":
    exit_on_input_error(main)
"""


@pytest.fixture
def trained(workspace, split):
    """A function that trains train_aug as params.yaml says, in a process of its own, and gives that process."""
    splits.save("data/split", split)
    Path("train.py").write_text(CODE)

    def start(processes: int, epochs: int) -> subprocess.Popen:
        text = Path("params.yaml").read_text()
        values = params.read()
        text = text.replace(f"processes: {values.hardware.processes} ", f"processes: {processes} ")
        text = text.replace("sync_batch_norm: false", "sync_batch_norm: true")
        text = text.replace(f"epochs: {values.ablation.epochs}", f"epochs: {epochs}").replace("size: 99", "size: 12")
        Path("params.yaml").write_text(text)
        environment = os.environ | {"PYTHONPATH": str(SRC)}
        return subprocess.Popen(
            [sys.executable, "train.py"], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return start


def result() -> tuple[bytes, predictions.Predictions, pd.DataFrame]:
    weights = Path("models/train_aug/model.safetensors").read_bytes()
    return weights, predictions.load("predictions/trained/train_aug.npz"), pd.read_csv("plots/train_aug/history.csv")


@pytest.mark.slow
def test_a_run_over_two_processes_learns_as_one_does(trained):
    assert trained(1, 4).wait() == 0
    _, one, alone = result()
    process = trained(2, 4)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert output.count("train_aug epoch 4/4") == 1, "one process speaks"
    _, two, shared = result()
    np.testing.assert_allclose(shared["train_loss"], alone["train_loss"], rtol=1e-2)
    assert abs((one.test.logits.argmax(1) == two.test.logits.argmax(1)).mean()) >= 0.9


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find a process' children")
def test_a_killed_worker_ends_the_run_and_the_next_goes_on(trained):
    process = trained(2, 30)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    whole, *_ = result()
    Path("models/train_aug/model.safetensors").unlink()
    for state in Path(".ladder/state").iterdir():  # as after a run that never was
        subprocess.run(["rm", "-r", state], check=True)
    Path("plots/train_aug/history.csv").unlink()

    process = trained(2, 30)
    wait_for_epochs(process, 3)
    os.kill(workers(process)[0], signal.SIGKILL)
    output = process.communicate()[0]
    assert process.returncode == 1, output
    assert "train: process" in output
    assert "the same command goes on after the last whole epoch" in output

    process = trained(2, 30)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert "resuming after epoch" in output
    assert result()[0] == whole


def wait_for_epochs(process: subprocess.Popen, epochs: int) -> None:
    history = Path("plots/train_aug/history.csv")
    for _ in range(3000):
        if history.exists() and len(history.read_text().splitlines()) > epochs:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    pytest.fail("no epoch was done in a minute")


def workers(process: subprocess.Popen) -> list[int]:
    """Process ids of the workers that a stage has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [pid for pid in map(int, children) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_the_code_here_is_that_of_the_stage():
    """CODE stands for stages/train.py, which main() reads from the command line."""
    assert "rungs.train(run, splits.load(" in (ROOT / "stages/train.py").read_text()
