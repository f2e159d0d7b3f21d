"""About how long the pipeline takes on this machine, from one training step of each network: for `make images`."""

import math
import time

import psutil  # type: ignore[import-untyped]

from ladder.params import Params

BATCH, STEPS = 8, 3  # images of a step that is timed, and steps: the best tells most, whatever else runs
EVALUATED = 3  # images are evaluated so many times as fast as they are trained on
OTHER_SECONDS = 240  # the rest: starting some thirty stages, int8 files, pictures
TIMINGS = 4  # of the benchmark, each of at most benchmark.seconds


def free_gb() -> float:
    return psutil.virtual_memory().available / 1e9


def minutes(p: Params, train: int, val: int) -> int:
    """Minutes for the whole pipeline, rounded up.

    Args:
        train, val: numbers of images.
    """
    rates: dict[tuple[str, int], float] = {}
    seconds = OTHER_SECONDS + TIMINGS * float(p.benchmark.seconds)
    for rung in p.ladder.rungs.values():
        recipe = p.recipe(rung.recipe)
        key = (recipe.arch, recipe.input_size)
        rates[key] = rates.get(key) or _images_per_second(*key)
        seconds += recipe.epochs * (train + val / EVALUATED) / rates[key]
        if "distill" in rung.reads:
            teacher = p.recipe(p.ladder.rungs[p.distill.teacher].recipe)
            rate = rates.get((teacher.arch, teacher.input_size), rates[key])
            seconds += recipe.epochs * train / EVALUATED / rate
    return math.ceil(seconds / 60)


def _images_per_second(arch: str, size: int) -> float:
    import torch

    from ladder.core import architectures

    net = architectures.create(arch, num_classes=10)
    images, labels = torch.zeros(BATCH, 3, size, size), torch.zeros(BATCH, dtype=torch.int64)

    def step() -> float:
        start = time.monotonic()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        return BATCH / (time.monotonic() - start)

    step()  # the first one allocates
    return max(step() for _ in range(STEPS))
