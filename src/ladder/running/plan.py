"""What has to run, and what waits for what, as DVC says: nothing here knows a stage."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

from ladder.core.errors import InputError


@dataclass(frozen=True)
class Step:
    """A stage that is stale, or follows from one that is."""

    name: str  # as `dvc repro` takes it
    group: str  # the `foreach` or `matrix` that it comes from, else its name
    needs: frozenset[str]  # steps that must have ended before it starts
    height: int  # steps in the longest chain that starts with it
    alone: bool  # meta: {alone: true}: nothing else runs beside it
    memory_gb: float  # meta: {memory_gb: 2}: the most that it holds; 0 where nothing is said


def steps(repo: Repo, targets: Sequence[str] = ()) -> tuple[list[Step], int]:
    """The stages that `dvc repro TARGETS` may run, in its order, and how many it looks at in all.

    Up-to-date stages are left out. One that follows from a stale one is kept: whether it has to run, DVC decides when
    what it needs has ended.

    Args:
        targets: stages, `foreach` groups, or paths as `dvc repro` takes them; none: all of dvc.yaml.
    Raises: InputError with DVC's own message for targets and files that it refuses, or for a meta.memory_gb.
    """
    try:
        with repo.lock:
            graph = get_active_graph(repo.index.graph)
            order = plan_repro(graph, collect_stages(repo, targets or ["dvc.yaml"]))
            stale: dict = {}  # stage -> those of its needs that are stale
            for stage in order:
                needs = [other for other in graph.successors(stage) if other in stale]
                if needs or stage.changed():
                    stale[stage] = needs
    except DvcException as error:
        raise InputError(str(error)) from None
    heights = _heights(stale)
    return [_step(stage, needs, heights[stage]) for stage, needs in stale.items()], len(order)


def _step(stage, needs: Iterable, height: int) -> Step:
    meta = stage.meta if isinstance(stage.meta, dict) else {}
    memory_gb = meta.get("memory_gb", 0)
    if isinstance(memory_gb, bool) or not isinstance(memory_gb, int | float) or memory_gb < 0:
        raise InputError(f"meta.memory_gb of {stage.addressing} must be a number of gigabytes, not {memory_gb!r}")
    unit = stage.raw_data.generated_from if hasattr(stage, "raw_data") else None
    return Step(
        name=stage.addressing,
        group=f"{stage.relpath}:{unit}" if unit else stage.addressing,
        needs=frozenset(other.addressing for other in needs),
        height=height,
        alone=meta.get("alone") is True,
        memory_gb=memory_gb,
    )


def _heights(stale: dict) -> dict:
    """Stage -> length of the longest chain of stages that waits for it, itself included."""
    heights = dict.fromkeys(stale, 1)
    for stage in reversed(stale):  # what follows from a stage stands after it
        for other in stale[stage]:
            heights[other] = max(heights[other], heights[stage] + 1)
    return heights
