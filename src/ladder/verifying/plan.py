"""Which stages a second run makes, and what it is handed instead, as DVC knows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import networkx as nx  # type: ignore[import-untyped]
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage

from ladder.core.errors import InputError

MEASURED = "benchmark"  # what a clock wrote is never the same twice, nor what follows from it


@dataclass(frozen=True)
class Plan:
    """`run`: stages in an order in which they can run; `given`: the others that they need, `dvc add`'s included."""

    run: tuple[Stage, ...]
    given: tuple[Stage, ...]
    graph: nx.DiGraph  # from a stage to those that it needs

    @property
    def names(self) -> list[str]:
        return [stage.addressing for stage in self.run]

    def written(self) -> dict[str, list[str]]:
        """Stage -> the paths that it writes."""
        return {stage.addressing: outputs(stage) for stage in self.run}

    def before(self, stage: Stage) -> set[Stage]:
        """All stages that a stage follows from."""
        return nx.descendants(self.graph, stage)

    def stale(self) -> list[str]:
        return changed((*self.given, *self.run))


def make(repo: Repo, names: Sequence[str] = (), *, whole: bool = False) -> Plan:
    """Plan a run of the stages named, and of stages in between; of all but the measured ones if none is named.

    Args:
        names: stages or `foreach` groups, as `dvc repro` takes them.
        whole: with all that they need.
    Raises: InputError with DVC's own message for names that it refuses.
    """
    try:
        with repo.lock:
            graph = get_active_graph(repo.index.graph)
            asked = collect_stages(repo, names or ["dvc.yaml"])
            measured = [stage for stage in asked if _is_measured(stage, graph)]
            if names and measured:
                raise InputError(
                    f"{MEASURED} measures this machine: no second run gives its bytes, nor those of what shows them:"
                    f" leave {', '.join(stage.addressing for stage in measured)} out"
                )
            asked = [stage for stage in asked if stage not in measured]
            order = plan_repro(graph, asked)
    except DvcException as error:
        raise InputError(str(error)) from None
    run: list[Stage] = []
    for stage in order:
        if stage.cmd and (whole or stage in asked or any(other in run for other in graph.successors(stage))):
            run.append(stage)
    return Plan(tuple(run), tuple(stage for stage in order if stage not in run), graph)


def changed(stages: Iterable[Stage]) -> list[str]:
    """Those of which inputs, params or outputs are not as dvc.lock, or the .dvc file of `dvc add`, records them.

    Unlike DVC's own `changed`, it does not ask for a copy of the outputs in the cache.
    """
    return [
        stage.addressing
        for stage in stages
        if stage.changed_stage() or any(item.workspace_status() for item in (*stage.deps, *stage.outs))
    ]


def outputs(stage: Stage) -> list[str]:
    return [out.def_path for out in stage.outs]


def _is_measured(stage: Stage, graph: nx.DiGraph) -> bool:
    return any(it.addressing == MEASURED for it in (stage, *nx.descendants(graph, stage)))
