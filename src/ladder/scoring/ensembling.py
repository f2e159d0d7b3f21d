"""Soft voting: one model out of several, from their saved predictions alone.

`logits` averages what goes into the softmax, which is the geometric mean of the probabilities, normalized; it is what
the reference calls soft voting, (a + b) / 2. `probabilities` averages what comes out of it, the usual meaning.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

from ladder.core.errors import InputError
from ladder.core.types import Logits, Predictions
from ladder.scoring import scores

Vote = Literal["logits", "probabilities"]


def vote(members: Mapping[str, Predictions], how: Vote, weights: Literal["equal", "validation"]) -> Predictions:
    """Let trained models vote on every image.

    Args:
        members: name -> answers, one or more.
        how: `logits`: the weighted mean of the logits. `probabilities`: the weighted mean of the probabilities, given
            as log probabilities, so that their softmax is the voted probability.
        weights: `equal`, or those with the least negative log likelihood on validation.
    Returns: the ensemble's answers. In the provenance, `parameters` and `epochs` are sums over the members, `members`
        gives name -> weight (non-negative, their sum is 1), and `vote` is `how`.
    Raises: InputError for members that did not answer on the same images and classes.
    """
    require_same_images(members)
    first = next(iter(members.values()))
    val = np.stack([member.val.logits for member in members.values()])
    test = np.stack([member.test.logits for member in members.values()])
    equal = np.full(len(members), 1 / len(members))
    shares = equal if weights == "equal" else fit_weights(val, first.val.labels, how)
    return Predictions(
        val=Logits(combine(val, shares, how).astype(np.float32), first.val.labels, first.val.ids),
        test=Logits(combine(test, shares, how).astype(np.float32), first.test.labels, first.test.ids),
        classes=first.classes,
        provenance=_provenance(members, shares, how),
    )


def require_same_images(models: Mapping[str, Predictions]) -> None:
    """Raises InputError, naming two, unless all answered on the same images, with the same labels and class names."""
    first, *others = models
    for name in others:
        if different := _differences(models[first], models[name]):
            raise InputError(
                f"the predictions of {first} and {name} differ in {', '.join(different)}: they come from"
                f" different splits; `dvc repro {first} {name}` makes them again from the same one"
            )


def require_test_images(answered: Mapping[str, np.ndarray], ids: np.ndarray) -> None:
    """Raises InputError, naming the file, unless all ids answered are those of the split's test images, in its order.

    Args:
        answered: path of a file of answers -> ids int64 (N,).
    """
    for path, found in answered.items():
        if not np.array_equal(found, ids):
            raise InputError(f"{path} is not about the test images of data/split: `dvc repro` makes both")


def combine(logits: np.ndarray, weights: np.ndarray, how: Vote) -> np.ndarray:
    """Voted logits, float64 (N, C), of members' logits (M, N, C) under weights (M,) that sum to 1."""
    logits = logits.astype(np.float64)
    columns = weights[:, None, None]
    if how == "logits":
        return np.sum(columns * logits, axis=0)
    return logsumexp(log_softmax(logits, axis=2), axis=0, b=columns)


def fit_weights(val_logits: np.ndarray, val_labels: np.ndarray, how: Vote) -> np.ndarray:
    """Weights (M,), non-negative with sum 1, of the least negative log likelihood; only for validation logits.

    It is convex in the weights for either vote, so the search from equal weights ends at the one minimum.
    """
    count = len(val_logits)
    found = minimize(
        lambda weights: scores.nll(combine(val_logits, weights, how), val_labels),
        np.full(count, 1 / count),
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-12},
    )
    weights = np.clip(found.x, 0, 1)
    return weights / weights.sum()


def _differences(a: Predictions, b: Predictions) -> list[str]:
    found = [
        f"{part} {field}"
        for part in ("val", "test")
        for field in ("ids", "labels")
        if not np.array_equal(getattr(getattr(a, part), field), getattr(getattr(b, part), field))
    ]
    return found + ["class names"] * (a.classes != b.classes)


def _provenance(members: Mapping[str, Predictions], shares: np.ndarray, how: Vote) -> dict[str, Any]:
    sources = [member.provenance for member in members.values()]

    def joined(key: str) -> Any:
        """The members' common value, or all of theirs."""
        values = [source[key] for source in sources]
        return values[0] if len(set(values)) == 1 else " + ".join(map(str, values))

    return {
        "source": sources[0]["source"],
        "source_digest": sources[0]["source_digest"],
        "arch": " + ".join(source["arch"] for source in sources),
        "parameters": sum(source["parameters"] for source in sources),
        "weights": joined("weights"),
        "input_size": joined("input_size"),
        "epochs": sum(source["epochs"] for source in sources),
        "members": dict(zip(members, shares.tolist(), strict=True)),
        "vote": how,
    }
