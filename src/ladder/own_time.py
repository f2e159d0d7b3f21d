"""About how long the pipeline takes on this machine, from training steps of each network: for `make images`.

It is processor time that is measured, so that what else runs at the moment does not show.
"""

import math
import time

import psutil  # type: ignore[import-untyped]

from ladder.params import Params

BATCH, STEPS = 8, 3  # images of a step that is timed, and steps: the best counts
EVALUATED = 3  # images are evaluated so many times as fast as they are trained on
OTHER_SECONDS = 240  # the rest: starting some thirty stages, int8 files, pictures
TIMINGS = 4  # of the benchmark, each of at most benchmark.seconds


def free_gb() -> float:
    return psutil.virtual_memory().available / 1e9


def minutes(p: Params, train: int, val: int, jobs: int) -> int:
    """Minutes for the whole pipeline if nothing else runs, rounded up.

    Args:
        train, val: numbers of images.
        jobs: stages at a time, of no more than there are cores.
    """
    rates: dict[tuple[str, int], float] = {}
    seconds = 0.0
    for rung in p.ladder.rungs.values():
        recipe = p.recipe(rung.recipe)
        key = (recipe.arch, recipe.input_size)
        rates[key] = rates.get(key) or _images_per_second(*key, p.hardware.threads)
        seconds += recipe.epochs * (train + val / EVALUATED) / rates[key]
        if "distill" in rung.reads:
            teacher = p.recipe(p.ladder.rungs[p.distill.teacher].recipe)
            rate = rates.get((teacher.arch, teacher.input_size), rates[key])
            seconds += recipe.epochs * train / EVALUATED / rate
    seconds /= max(1, min(jobs, (psutil.cpu_count() or 1) // p.hardware.threads))
    return math.ceil((seconds + OTHER_SECONDS + TIMINGS * p.benchmark.seconds) / 60)


def _images_per_second(arch: str, size: int, threads: int) -> float:
    import torch

    from ladder.core import architectures

    torch.set_num_threads(threads)
    net = architectures.create(arch, num_classes=10)
    images, labels = torch.zeros(BATCH, 3, size, size), torch.zeros(BATCH, dtype=torch.int64)

    def step() -> float:
        start = time.process_time()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        return threads * BATCH / (time.process_time() - start)

    step()  # the first one allocates
    return max(step() for _ in range(STEPS))
