"""What flows between stages: Source -> Split -> Checkpoint and Predictions. Arrays only; no behaviour, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

SQUASH = "squash"  # how images become square (`data.fit`) for splits and models that do not say: the published ones


@dataclass(frozen=True)
class Part:
    """Labelled images: uint8 (N, 3, H, W) RGB, labels int64 (N,), ids int64 (N,) that stay with an image for life."""

    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray | slice) -> Part:
        return Part(self.images[indices], self.labels[indices], self.ids[indices])


@dataclass(frozen=True)
class Source:
    """The images as they come: `name` as in `data.source`, `digest` a sha256 of what was read.

    `val` and `test` are None where the source has no such part. Ids are unique over all parts. `files`: names of one's
    own images, by id; none of a published source.
    """

    name: str
    digest: str
    classes: tuple[str, ...]
    train: Part
    val: Part | None
    test: Part | None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Train, validation and test images; `mean` and `std` of the training part's channels, pixels scaled to [0, 1].

    `fit`: how images were made square (`decode.fit`). `files`: names of one's own images, by id; none of a published
    source.
    """

    train: Part
    val: Part
    test: Part
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str
    digest: str
    fit: str = SQUASH
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pretrained:
    """ImageNet weights of timm's `arch`, all but its classifier, for images normalized by `mean` and `std`.

    `origin` says where they were found, `sha256` is that of the file they came in.
    """

    arch: str
    origin: str
    sha256: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A trained model: `config` is everything `models.restore` needs besides the weights (plain values)."""

    config: dict[str, Any]
    weights: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Logits:
    """A model's answers on one part: logits float32 (N, C), labels int64 (N,), ids int64 (N,)."""

    logits: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Predictions:
    """A model's answers on validation and test, class names, and where they come from (plain values).

    `provenance` keys: source, source_digest, arch, parameters, weights (`scratch` or where pretrained ones
    were found), input_size, epochs; weights_sha256 of pretrained ones.
    """

    val: Logits
    test: Logits
    classes: tuple[str, ...]
    provenance: dict[str, Any]
