"""Experiments that differ in their seed, and perhaps in other params -> a table of runs, and what to compare in it."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import pandas as pd

from ladder.core.errors import InputError
from ladder.ladder_file import Ladder
from ladder.sweeps import screen
from ladder.sweeps.experiments import Experiment
from ladder.sweeps.statistics import Model

HOW = "dvc exp run -S 'seed=0,1,2,3,4' --queue && dvc queue start -j 2"


def runs(experiments: Sequence[Experiment], models: Sequence[str], ladder: Ladder) -> pd.DataFrame:
    """Rows `setting, rung, recipe, source, seed, accuracy`: one for each of `models` that an experiment scored; by
    setting, rung (in the order of `models`) and seed.

    A setting is what experiments differ in besides their seed, in the words of `-S`; empty where that is nothing. The
    recipe says in short how a rung is trained, and is empty for a model made of others; the source is that of the
    images. Of experiments that are alike, results and all, one counts.

    Args:
        experiments: the newest first.
    Raises: InputError where two experiments of the same params have other results, or no model has two seeds.
    """
    done = [each for each in reversed(experiments) if each.state == "success"]
    settings = _settings(done)
    found: dict[tuple[str, str, int], tuple[float, Experiment]] = {}
    for (each, setting), name in product(zip(done, settings, strict=True), models):
        if name not in each.accuracy:
            continue
        accuracy, other = found.setdefault((setting, name, each.params["seed"]), (each.accuracy[name], each))
        if accuracy != each.accuracy[name]:
            raise InputError(
                f"{other.name} and {each.name} have the same params and other results for {name}: code or data differ."
                " `dvc exp remove` takes one of them away"
            )
    if len({(setting, name) for setting, name, _ in found}) == len(found):
        raise InputError(
            f"{len(done)} of {len(experiments)} experiments of this commit have ended, and none of {', '.join(models)}"
            f" has two seeds: {HOW}"
        )
    places = list(product(dict.fromkeys(settings), models))
    ordered = sorted(found, key=lambda key: (places.index(key[:2]), key[2]))
    rows = []
    for setting, rung, seed in ordered:
        accuracy, each = found[setting, rung, seed]
        rows.append((setting, rung, recipe(each, rung, ladder), each.params["data.source"], seed, accuracy))
    return pd.DataFrame(rows, columns=["setting", "rung", "recipe", "source", "seed", "accuracy"])


def recipe(experiment: Experiment, name: str, ladder: Ladder) -> str:
    """In short how an experiment trained a rung; empty for a model that is made of others."""
    if name not in ladder.rungs:
        return ""
    group = ladder.rungs[name].recipe
    arch, weights, size, epochs = (
        experiment.params[f"{group}.{key}"] for key in ("arch", "weights", "input_size", "epochs")
    )
    return f"{arch}, {weights}, {size} px, {epochs} epoch{'s' * (epochs != 1)}"


def pairs(table: pd.DataFrame, ladder: Ladder) -> list[tuple[Model, Model]]:
    """What to compare in `runs`: within a setting the rungs of one recipe, int8 with float, or the only two models;
    between settings each model with itself in the first one, unless nothing differs."""
    by_seed = table.pivot(index="seed", columns=["setting", "rung"], values="accuracy")
    models: list[Model] = list(dict.fromkeys(zip(table["setting"], table["rung"], strict=True)))
    alone = table["rung"].nunique() == 2
    found = [
        (second, first)
        for first, second in combinations(models, 2)
        if first[0] == second[0] and (alone or _is_a_step(first[1], second[1], ladder))
    ]
    for model in models:
        base = (models[0][0], model[1])
        if model != base and base in models and (by_seed[model] - by_seed[base]).dropna().any():
            found.append((model, base))
    return found


def _settings(done: Sequence[Experiment]) -> list[str]:
    """Of each experiment, the params that not all share, but for the seed."""
    params: list[dict[str, Any]] = [{key: each.params[key] for key in each.params if key != "seed"} for each in done]
    shared = (
        {key: value for key, value in params[0].items() if all(_has(each, key, value) for each in params)}
        if done
        else {}
    )
    return [screen.words(screen.changes(each, shared)) for each in params]


def _has(params: dict[str, Any], key: str, value: object) -> bool:
    return key in params and params[key] == value


def _is_a_step(first: str, second: str, ladder: Ladder) -> bool:
    if first in ladder.rungs and second in ladder.rungs:
        return ladder.rungs[first].recipe == ladder.rungs[second].recipe
    return first.endswith("_float") and second == first.removesuffix("_float") + "_static"
