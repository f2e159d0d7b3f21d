"""Which of the stages that may start does start next."""

from collections.abc import Collection, Sequence

from ladder.running.plan import Step

Batch = Sequence[Step]  # what one `dvc repro` is given, to run one after the other


def next_batch(ready: Collection[Step], running: Collection[Batch], jobs: int, memory_gb: float) -> list[Step]:
    """What to start beside what runs; nothing if all that is ready must wait.

    What the longest chain waits for goes first (highest level first: Hu 1961, Operations Research 9(6)), in DVC's order
    among equals. Members of one `foreach` are divided evenly between the places that are free, several to a command,
    since each start of DVC costs 0.6 s. A stage that wants to be alone waits until nothing else is ready.

    Args:
        ready: in DVC's order.
        jobs: how many commands may run at a time.
        memory_gb: what all of them together may hold. A stage that says it needs more runs with nothing beside it.
    """
    if len(running) == jobs or any(step.alone for batch in running for step in batch):
        return []
    free_gb = memory_gb - sum(_memory_gb(batch) for batch in running)
    ordered = sorted((step for step in ready if not step.alone), key=lambda step: -step.height)
    for first in ordered:
        same = [step for step in ordered if step.group == first.group]
        batch = same[: -(-len(same) // (jobs - len(running)))]
        if _memory_gb(batch) <= free_gb or not running:
            return batch
    return [] if ordered or running else list(ready)[:1]


def _memory_gb(batch: Batch) -> float:
    return max(step.memory_gb for step in batch)
