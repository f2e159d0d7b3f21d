"""The experiments of a commit on one screen: what each changed, and the accuracies of some models."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from ladder.core.errors import InputError
from ladder.sweeps.experiments import Experiment

AT_MOST = 9  # models side by side in 200 columns
CHANGED_LETTERS = 32
NO_VALUE = object()


def text(commit: Experiment, experiments: Sequence[Experiment], models: Sequence[str]) -> str:
    """The commit and its experiments, the newest first: a row each, accuracies in percent.

    A model that an experiment did not score, and any other experiment's figure that Git still holds there, is a dash.

    Raises: InputError for more models than a screen has room for.
    """
    if len(models) > AT_MOST:
        raise InputError(
            f"{len(models)} models do not fit on one screen: name at most {AT_MOST} of {', '.join(models)}"
        )
    rows = [_row(each, commit, models) for each in (commit, *experiments)]
    aligned = ["left"] * 3 + ["right"] * len(models)
    return pd.DataFrame(rows).to_markdown(index=False, tablefmt="simple", disable_numparse=True, colalign=aligned)


def changes(params: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """What differs from `base`: dotted key -> value, None for a key that is gone."""
    keys = dict.fromkeys([*params, *base])
    return {key: params.get(key) for key in keys if params.get(key, NO_VALUE) != base.get(key, NO_VALUE)}


def words(changed: dict[str, Any]) -> str:
    """seed=1 aug.enabled=false: as `-S` takes them."""
    return " ".join(
        f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in changed.items()
    )


def _row(each: Experiment, commit: Experiment, models: Sequence[str]) -> dict[str, Any]:
    what = words(changes(each.params, commit.params))
    return {
        "experiment": each.name,
        "when": datetime.fromisoformat(each.created).strftime("%b %d %H:%M") if each.created else each.state,
        "changed": what if len(what) <= CHANGED_LETTERS else what[: CHANGED_LETTERS - 1] + "…",
        **{name: f"{100 * each.accuracy[name]:.2f}" if name in each.accuracy else "-" for name in models},
    }
