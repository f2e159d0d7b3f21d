"""Measure how fast each recipe of params.yaml trains here, by precision: `make tune`.

Prints images per second, the variants interleaved in one process, and the line that the fastest would have in the
table of `src/ladder/training/devices.py`. Nothing is written: a committed table, not a clock, decides how results are
computed.

What is left to gain, it says for dense networks: the share of this machine's fastest matrix multiplication, in the same
precision and with the same threads, that a whole training step reaches. (Of depthwise convolutions torch's flop counter
takes the backward pass for one of dense ones, so networks that have them are left out.)
"""

import statistics
import time
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from ladder import params
from ladder.core import architectures
from ladder.training import devices, loop, models

STEPS, ROUNDS = 2, 5
DTYPES = (torch.float32, torch.bfloat16)
SIDES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}  # of the matrices that are multiplied


def build(recipe: params.Recipe, cfg: params.Params) -> models.Classifier:
    from_scratch = recipe.model_copy(update={"weights": "scratch"})
    return models.build(from_scratch, cfg.model, ("a", "b"), (0.5,) * 3, (0.2,) * 3, 0)


def is_dense(model: torch.nn.Module) -> bool:
    """Whether no convolution is divided into groups."""
    return all(module.groups == 1 for module in model.modules() if isinstance(module, torch.nn.Conv2d))


def peak(dtype: torch.dtype, device: torch.device) -> float:
    """The most floating-point operations per second of a product of two square matrices, warmed up."""
    best = 0.0
    for side in SIDES[device.type]:
        a, b = torch.rand(2, side, side, device=device).to(dtype)
        for _ in range(ROUNDS):
            start = time.perf_counter()
            float((a @ b)[0, 0])  # waits for the device
            best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def stepper(
    model: models.Classifier, recipe: params.Recipe, cfg: params.Params, dtype: torch.dtype, device: torch.device
):
    """A function that does STEPS training steps of the recipe, optimizer included, on random images."""
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = loop.make_optimizer(model, recipe)
    size = cfg.data.image_size
    images = torch.randint(0, 256, (recipe.batch_size, 3, size, size), dtype=torch.uint8, device=device)
    labels = torch.randint(0, 2, (recipe.batch_size,), device=device)

    def steps() -> float:
        """Seconds."""
        start = time.perf_counter()
        for _ in range(STEPS):
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                loss = loop.cross_entropy(model, images, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        float(loss.detach())  # waits for the device
        return time.perf_counter() - start

    return steps


def main() -> None:
    cfg = params.read()
    device = devices.select(cfg.hardware)
    machine = devices.kind(device)
    print(f"machine kind {machine}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    peaks = {dtype: peak(dtype, device) for dtype in DTYPES}
    for dtype, flops in peaks.items():
        print(f"  {dtype!s:16} {flops / 1e9:8,.0f} GFLOP/s multiplying matrices")
    measured: set[tuple] = set()
    for group in cfg.ladder.recipes:
        recipe = cfg.recipe(group)
        if (setting := (recipe.arch, recipe.input_size, recipe.stem, recipe.optimizer)) in measured:
            continue
        measured.add(setting)
        nets = {dtype: build(recipe, cfg) for dtype in DTYPES}
        run = {dtype: stepper(net, recipe, cfg, dtype, device) for dtype, net in nets.items()}
        flops = {}
        for dtype, steps in run.items():
            with FlopCounterMode(display=False) as counter:
                steps()  # warm-up
            flops[dtype] = counter.get_total_flops() / (STEPS * recipe.batch_size)  # per image
        seconds: dict[torch.dtype, list[float]] = {dtype: [] for dtype in run}
        for _ in range(ROUNDS):
            for dtype, steps in run.items():
                seconds[dtype].append(steps())
        rates = {dtype: STEPS * recipe.batch_size / statistics.median(times) for dtype, times in seconds.items()}
        print(f"{group}: {recipe.arch}, {recipe.input_size} px, {recipe.optimizer}, batch {recipe.batch_size}")
        for dtype, rate in rates.items():
            share = f"  {rate * flops[dtype] / peaks[dtype]:4.0%} of the peak" if is_dense(nets[dtype]) else ""
            print(f"  {dtype!s:16} {rate:8,.0f} images/s{share}")
        best = max(rates, key=partial(dict.__getitem__, rates))
        print(f'  fastest: ("{architectures.bare(recipe.arch)}", "{machine}"): {best}')


if __name__ == "__main__":
    main()
