"""Labels that a model's answers speak against: confident learning, by cleanlab.

A model doubts what it cannot tell as well as what is labelled wrongly, so these are labels to look at, not errors. Only
images that the model was not trained on can be judged so: those of validation and test.

Source: Northcutt, Jiang and Chuang 2021, arXiv:1911.00068.
"""

import numpy as np
import pandas as pd
from cleanlab import filter as confident
from cleanlab import rank
from scipy.special import softmax

from ladder.core.types import Logits, Predictions
from ladder.params import Labels, Params

PARTS = ("val", "test")


class Settings(Labels):
    """All the params that the stage `labels` depends on."""

    pictures: str


def settings(p: Params) -> Settings:
    return Settings(pictures=p.data.pictures, **dict(p.labels))


def ranked(model: Predictions, files: tuple[str, ...]) -> pd.DataFrame:
    """All images of validation and test, the most doubtful label first: columns of `doubtful.csv`.

    `quality`, from 0 to 1, is cleanlab's normalized margin: below 0.5 another class is likelier than the label.
    `doubtful`: cleanlab counts the label among the wrong ones, whose number it estimates for each pair of classes, from
    both parts together.

    Args:
        files: names by id, or none.
    """
    parts: list[Logits] = [getattr(model, name) for name in PARTS]
    logits, labels, ids = (
        np.concatenate([getattr(part, field) for part in parts]) for field in ("logits", "labels", "ids")
    )
    probabilities = softmax(logits.astype(np.float64), axis=1)
    doubtful = confident.find_label_issues(labels, probabilities, n_jobs=1)
    answers, every = probabilities.argmax(axis=1), np.arange(len(labels))
    classes = np.array(model.classes, object)
    table = pd.DataFrame(
        {"part": np.repeat(PARTS, [len(part) for part in parts]), "id": ids}
        | ({"file": [files[number] for number in ids]} if files else {})
        | {
            "label": classes[labels],
            "answer": classes[answers],
            "label_probability": probabilities[every, labels],
            "answer_probability": probabilities.max(axis=1),
            "quality": rank.get_label_quality_scores(labels, probabilities, method="normalized_margin"),
            "doubtful": doubtful,
        }
    )
    return table.sort_values(["quality", "id"], kind="stable", ignore_index=True)


def headline(table: pd.DataFrame) -> dict[str, float]:
    """`metrics/labels.json`: share of each part's labels that are doubtful."""
    return {f"{part}_doubtful": float(table["doubtful"][table["part"] == part].mean()) for part in PARTS}


def described(table: pd.DataFrame) -> str:
    """What was compared, and what was not, in two lines."""
    counts = ", ".join(
        f"{table['doubtful'][rows].sum():,} of {rows.sum():,} in {part}"
        for part, rows in ((part, table["part"] == part) for part in PARTS)
    )
    return (
        f"the ensemble speaks against {counts}: to be looked at\n"
        "it doubts hard images, too; training labels were not compared, the networks learned them"
    )
