"""Made-up answers of every model of the ladder: small enough to compare and count by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from conftest import colored
from imports import ROOT
from ladder import ladder_file
from ladder.core.artifacts import files
from ladder.core.types import Logits, Predictions
from ladder.reporting import data, markdown, seeds
from ladder.scoring import ensembling

LADDER = ladder_file.read(ROOT / "ladder.yaml")
CLASSES = ("red", "green", "blue")
TEST = colored(40, 200, seed=3)  # 120 images
WRONG = {
    "train_baseline": range(0, 60),
    "train_noaug": range(0, 40),
    "train_aug": range(30, 44),
    "train_resnet": range(0, 10),
    "train_se": range(2, 12),
    "train_effnet": range(8, 16),
    "train_student": range(0, 45),
    "distill": range(0, 40),
    "distill_float": range(0, 40),
    "distill_dynamic": range(0, 41),
    "distill_static": range(0, 46),
    "train_resnet_float": range(0, 10),
    "train_resnet_dynamic": range(0, 10),
    "train_resnet_static": range(0, 10),
}
VAL_WRONG = {"train_resnet": range(0, 5), "train_effnet": range(0, 3)}  # the ensemble's members: the second is better


def answered(labels: np.ndarray, wrong, first_id: int, sure: float = 0.8) -> Logits:
    """Right with probability `sure`, but on the images in `wrong`, which are taken for the next class."""
    given = labels.copy()
    given[list(wrong)] = (given[list(wrong)] + 1) % 3
    logits = np.log(np.where(np.eye(3)[given] == 1, sure, (1 - sure) / 2)).astype(np.float32)
    return Logits(logits, labels, np.arange(first_id, first_id + len(labels)))


def made_models(source: str = "cifar10_jpeg") -> dict[str, Predictions]:
    about = {
        "source": source,
        "source_digest": "ab" * 32,
        "arch": "resnet18",
        "parameters": 11_173_962,
        "weights": "scratch",
        "input_size": 32,
        "epochs": 7,
    }
    models = {
        name: Predictions(
            answered(np.arange(30) % 3, VAL_WRONG.get(name, range(10)), 0),
            answered(TEST.labels, wrong, 200, sure=0.7 if name == "train_effnet" else 0.8),
            CLASSES,
            about,
        )
        for name, wrong in WRONG.items()
    }
    members = {name: models[name] for name in VAL_WRONG}
    models["ensemble"] = ensembling.vote(members, "logits", "equal")
    return {name: models[name] for name in LADDER.ladder}


def save_data_tables() -> None:
    """What `inspect` and `corruptions` leave for the page: two networks, two corruptions."""
    again = {"part": "test", "images": 1200, "again_in": "train", "exact": 3, "near": 30, "near_share": 0.025}
    files.write_csv(data.OVERLAPS, pd.DataFrame([again, again | {"again_in": "val", "near": 6, "near_share": 0.005}]))
    scored = {"images": 2000, "accuracy_low": 0.7, "accuracy_high": 0.74}
    rows = [
        {"model": model, "corruption": kind, "strength": strength, "accuracy": accuracy} | scored
        for model, accuracies in {"train_noaug": (0.72, 0.61), "train_aug": (0.73, 0.715)}.items()
        for (kind, strength), accuracy in zip([("none", 0), ("noise", 0.06)], accuracies, strict=True)
    ]
    files.write_csv(data.CORRUPTED, pd.DataFrame(rows))


def save_sweep(source: str) -> None:
    """What `make sweep OUT=docs/seeds` leaves, of images from `source`."""
    files.write_csv(seeds.TABLE, pd.DataFrame({"rung": ["train_se", "train_se"], "source": source, "seed": [0, 1]}))
    markdown.write(Path(seeds.TEXT), "| rung | seeds |\n| --- | ---: |\n| `train_se` | 2 |\n")
    Image.new("RGB", (64, 48), "gray").save(seeds.PICTURE)
