"""Test images made worse in five ways, as cameras, networks and people do it, and what that costs each model.

Noise, blur, JPEG and brightness are those of CIFAR-10-C (Hendrycks and Dietterich 2019, arXiv:1903.12261), written anew
on NumPy, SciPy and Pillow; shifts are not among them.
"""

import io
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri

from ladder.params import Computing, Corruptions, Hardware, Params
from ladder.scoring import scores

NONE = "none"
_AT_ONCE = 256  # images; bounds memory where they are photographs
# What is compared: the pairs of rungs that differ in one thing.
PAIRS = {"augmentation": ("train_aug", "train_noaug"), "distillation": ("distill", "train_student")}


class Settings(Computing):
    """All the params that the stage `corruptions` depends on."""

    seed: int
    hardware: Hardware
    corruptions: Corruptions
    confidence: float


def settings(p: Params) -> Settings:
    return Settings(
        threads=p.hardware.threads,
        seed=p.seed,
        hardware=p.hardware,
        corruptions=p.corruptions,
        confidence=p.evaluate.confidence,
    )


def grid(cfg: Corruptions) -> Iterator[tuple[str, float]]:
    """(corruption, strength) in order: NONE first, then each corruption's two strengths, the weaker one first."""
    yield NONE, 0.0
    for kind in KINDS:
        yield from ((kind, strength) for strength in getattr(cfg, kind))


def drawn(images: int, at_most: int, seed: int) -> np.ndarray:
    """Places of at most so many test images, drawn at random, in order."""
    return np.sort(np.random.default_rng(seed).permutation(images)[:at_most])


def corrupt(images: np.ndarray, kind: str, strength: float, seed: int) -> np.ndarray:
    """Corrupted copies, uint8 (N, 3, H, W), the same for the same seed.

    Args:
        images: uint8 (N, 3, H, W).
        kind: NONE or one of KINDS; what its strength means stands in `params_groups.Corruptions`.
    """
    if kind == NONE:
        return images
    draw, corrupted = np.random.default_rng(seed), np.empty_like(images)
    for start in range(0, len(images), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        corrupted[some] = KINDS[kind](images[some], strength, draw)
    return corrupted


def table(correct: Mapping[str, Mapping[tuple[str, float], np.ndarray]], confidence: float) -> pd.DataFrame:
    """`accuracies.csv`: a row per model, corruption and strength, accuracy with its Wilson interval.

    Args:
        correct: model -> (corruption, strength) -> which images it answers right, bool (N,).
    """
    rows = []
    for name, by_corruption in correct.items():
        for (kind, strength), right in by_corruption.items():
            low, high = scores.wilson_interval(int(right.sum()), len(right), confidence)
            rows.append(
                {"model": name, "corruption": kind, "strength": strength, "images": len(right)}
                | {"accuracy": right.mean(), "accuracy_low": low, "accuracy_high": high}
            )
    return pd.DataFrame(rows)


def headline(correct: Mapping[str, Mapping[tuple[str, float], np.ndarray]], confidence: float) -> dict[str, float]:
    """`metrics/corruptions.json`: what the first of each of PAIRS has more of the mean accuracy over all corruptions.

    With an interval over the draw of images (normal approximation), not over trainings: it speaks of these two models.
    """
    found: dict[str, float] = {}
    for name, (first, second) in PAIRS.items():
        if first in correct and second in correct:
            difference = _mean(correct[first]) - _mean(correct[second])  # (N,), each image in all its corruptions
            half = float(ndtri((1 + confidence) / 2) * difference.std() / np.sqrt(len(difference)))
            middle = float(difference.mean())
            found |= {f"{name}_difference": middle, f"{name}_low": middle - half, f"{name}_high": middle + half}
    return found


def described(headline: Mapping[str, float], images: int, confidence: float) -> str:
    """What augmentation and distillation do for it, a line each, and on what."""
    lines = [
        f"{first} - {second}: {100 * headline[f'{name}_difference']:+.2f} points on the mean of all corruptions,"
        f" {100 * confidence:g}% interval {100 * headline[f'{name}_low']:+.2f} to {100 * headline[f'{name}_high']:+.2f}"
        for name, (first, second) in PAIRS.items()
        if f"{name}_difference" in headline
    ]
    return "\n".join([*lines, f"{images:,} test images, drawn at random, never used to choose anything"])


def _mean(by_corruption: Mapping[tuple[str, float], np.ndarray]) -> np.ndarray:
    """In what share of its corrupted copies each image is answered right, (N,)."""
    return np.mean([right for (kind, _), right in by_corruption.items() if kind != NONE], axis=0)


def _noise(images: np.ndarray, strength: float, draw: np.random.Generator) -> np.ndarray:
    return _to_bytes(images + 255 * strength * draw.standard_normal(images.shape, np.float32))


def _blur(images: np.ndarray, strength: float, draw: np.random.Generator) -> np.ndarray:
    sigma = strength * images.shape[-1] / 32
    return _to_bytes(gaussian_filter(images.astype(np.float32), (0, 0, sigma, sigma), mode="nearest"))


def _jpeg(images: np.ndarray, strength: float, draw: np.random.Generator) -> np.ndarray:
    return np.stack([_saved(image.transpose(1, 2, 0), int(strength)).transpose(2, 0, 1) for image in images])


def _saved(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def _brightness(images: np.ndarray, strength: float, draw: np.random.Generator) -> np.ndarray:
    """The value of HSV, which is the largest channel, raised; hue and saturation stay."""
    value = images.max(axis=1, keepdims=True).astype(np.float32)
    raised = np.minimum(value + 255 * strength, 255)
    return _to_bytes(np.where(value > 0, images * (raised / np.maximum(value, 1)), raised))


def _shift(images: np.ndarray, strength: float, draw: np.random.Generator) -> np.ndarray:
    """Each image in a direction of its own; what comes in is what left, mirrored at the edge."""
    side = images.shape[-1]
    far = max(1, round(strength * side))
    padded = np.pad(images, ((0, 0), (0, 0), (far, far), (far, far)), mode="reflect")
    angles = draw.uniform(0, 2 * np.pi, len(images))
    down, right = (np.rint(far * turn(angles)).astype(int) + far for turn in (np.sin, np.cos))
    moved = [image[:, y : y + side, x : x + side] for image, y, x in zip(padded, down, right, strict=True)]
    return np.stack(moved)


def _to_bytes(pixels: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


KINDS: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    "noise": _noise,
    "blur": _blur,
    "jpeg": _jpeg,
    "brightness": _brightness,
    "shift": _shift,
}
