"""Tiny classifiers, untrained."""

from imports import ROOT
from ladder import params
from ladder.params import Model, SqueezeExcite
from ladder.training import models

CLASSES = ("red", "green", "blue")


def network(arch: str = "test_efficientnet", drop_rate: float = 0.5, se: SqueezeExcite | None = None):
    """A tiny classifier of 8 px images, or 32 px for ConvNeXt, in eval mode."""
    size = 32 if arch == "test_convnext" else 8
    recipe = params.read(ROOT / "params.yaml").student.model_copy(
        update={"arch": arch, "input_size": size, "stem": None, "drop_rate": drop_rate}
    )
    transfer = Model(resize="bilinear")
    return models.build(recipe, transfer, CLASSES, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), seed=0, se=se).eval()
