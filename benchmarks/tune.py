"""Measure how fast each recipe of params.yaml trains here, by precision: `make tune`.

Prints images per second, the variants interleaved in one process, and the line that the fastest would have in the
table of `src/ladder/training/devices.py`. Nothing is written: a committed table, not a clock, decides how results are
computed.
"""

import statistics
import time
from functools import partial

import torch

from ladder import params
from ladder.core import architectures
from ladder.training import devices, loop, models

STEPS, ROUNDS = 2, 5
DTYPES = (torch.float32, torch.bfloat16)


def stepper(recipe: params.Recipe, cfg: params.Params, dtype: torch.dtype, device: torch.device):
    """A function that does STEPS training steps of the recipe, optimizer included, on random images."""
    from_scratch = recipe.model_copy(update={"weights": "scratch"})
    model = models.build(from_scratch, cfg.model, ("a", "b"), (0.5,) * 3, (0.2,) * 3, 0)
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
        float(loss)  # waits for the device
        return time.perf_counter() - start

    return steps


def main() -> None:
    cfg = params.read()
    device = devices.select(cfg.hardware)
    machine = devices.kind(device)
    print(f"machine kind {machine}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    measured: set[tuple] = set()
    for group in cfg.ladder.recipes:
        recipe = cfg.recipe(group)
        if (setting := (recipe.arch, recipe.input_size, recipe.stem, recipe.optimizer)) in measured:
            continue
        measured.add(setting)
        run = {dtype: stepper(recipe, cfg, dtype, device) for dtype in DTYPES}
        for steps in run.values():
            steps()  # warm-up
        seconds: dict[torch.dtype, list[float]] = {dtype: [] for dtype in run}
        for _ in range(ROUNDS):
            for dtype, steps in run.items():
                seconds[dtype].append(steps())
        rates = {dtype: STEPS * recipe.batch_size / statistics.median(times) for dtype, times in seconds.items()}
        print(f"{group}: {recipe.arch}, {recipe.optimizer}, batch {recipe.batch_size}")
        for dtype, rate in rates.items():
            print(f"  {dtype!s:16} {rate:8,.0f} images/s")
        best = max(rates, key=partial(dict.__getitem__, rates))
        print(f'  fastest: ("{architectures.bare(recipe.arch)}", "{machine}"): {best}')


if __name__ == "__main__":
    main()
