"""params.yaml -> frozen, validated objects: the whole file, and what of it each stage reads. No default, no arithmetic.

The whole file is validated whatever part a stage needs, so that a typo in `distill` stops `split` in its first second.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError, create_model, model_validator

from ladder import ladder_file
from ladder.core.errors import InputError, nearest
from ladder.ladder_file import Ladder
from ladder.params_file import describe, load_yaml
from ladder.params_groups import (
    Aug,
    Benchmark,
    Data,
    Distill,
    Ensemble,
    Evaluate,
    Group,
    Hardware,
    Model,
    Quantize,
    Recipe,
    Report,
    SourceName,
    SqueezeExcite,
    Start,
    StudentRecipe,
    Uncertainty,
)

PATH = "params.yaml"
STUDENT = "distill"  # the rung that is deployed

# What to say of keys that were, and of new ones that a file of before lacks.
TOLD = {
    "model.pretrained": "gone, set <recipe>.weights (baseline.weights, effnet.weights, ...): imagenet, or scratch",
    "model.weights": "gone, put the file into assets/weights/ as <arch>.safetensors and set <recipe>.weights: imagenet",
    "student.views": "new, add it: null, which is what was before, or how many views come back in turn",
    "uncertainty.teacher": "new, add it: the rung beside the student in `mc_dropout`, which distill.teacher was",
}


class Images(Group):
    """All the params that the stage `images` depends on."""

    source: SourceName


class Weights(Group):
    """All the params that the stage `weights` depends on, for one rung."""

    arch: str
    weights: Start


class Computing(Group):
    """Params of a stage that computes, with so many CPU threads. (`benchmark` times several numbers of them.)"""

    threads: int


class Rung(Computing):
    """All the params that one training run depends on. Two rungs with equal params are the same run."""

    seed: int
    hardware: Hardware
    model: Model
    recipe: Recipe
    views: int | None
    aug: Aug | None
    se: SqueezeExcite | None
    distill: Distill | None


class MonteCarlo(Computing):
    """All the params that the stage `mc_dropout` depends on."""

    seed: int
    hardware: Hardware
    passes: int
    teacher: str


class Doubts(Computing):
    """All the params that the stage `uncertainty` depends on."""

    teacher: str
    ece_bins: int


class Voting(Computing, Ensemble):
    """All the params that the stage `ensemble` depends on."""


class Quantizing(Computing, Quantize):
    """All the params that the stage `quantize` depends on."""


class Scoring(Computing, Evaluate):
    """All the params that the stage `evaluate` depends on."""


class Benchmarking(Group):
    """All the params that the stage `benchmark` depends on."""

    hardware: Hardware
    queries: int


class Params(Group):
    """The whole of params.yaml, but for the recipes, which `schema` adds: one for each group that ladder.yaml names."""

    ladder: ClassVar[Ladder]

    seed: Annotated[int, Field(ge=0, lt=2**63)]  # what torch takes
    data: Data
    hardware: Hardware
    model: Model
    aug: Aug
    se: SqueezeExcite
    distill: Distill
    ensemble: Ensemble
    quantize: Quantize
    uncertainty: Uncertainty
    benchmark: Benchmark
    evaluate: Evaluate
    report: Report

    @model_validator(mode="after")
    def groups_fit_together(self):
        size, problems = self.data.image_size, []
        if self.aug.crop_padding >= size:
            problems.append(f"aug.crop_padding={self.aug.crop_padding} must be below data.image_size={size}")
        if self.aug.cutout > size:
            problems.append(f"aug.cutout={self.aug.cutout} must not exceed data.image_size={size}")
        problems += self._unknown_rungs()
        if not problems:
            dropping = (self._dropout_of(name) for name in (STUDENT, self.uncertainty.teacher))
            problems += [
                f"{group}.drop_rate must be above 0: `mc_dropout` needs it in the student and in uncertainty.teacher"
                for group in dict.fromkeys(dropping)
                if getattr(self, group).drop_rate == 0
            ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def recipe(self, group: str) -> Recipe:
        """The group of that name, one of `ladder.recipes`."""
        return getattr(self, group)

    def images(self) -> Images:
        """The params of the stage `images`."""
        return Images(source=self.data.source)

    def weights(self, name: str) -> Weights:
        """The params of the stage `weights` for one rung. Raises InputError for a name that is none."""
        recipe = self.recipe(self._entry(name).recipe)
        return Weights(arch=recipe.arch, weights=recipe.weights)

    def rung(self, name: str) -> Rung:
        """The params of one training stage. Raises InputError for a name that is none."""
        entry = self._entry(name)
        recipe = self.recipe(entry.recipe)
        return Rung(
            threads=self.hardware.threads,
            seed=self.seed,
            hardware=self.hardware,
            model=self.model,
            recipe=recipe,
            views=recipe.views if isinstance(recipe, StudentRecipe) else None,
            aug=self.aug if "aug" in entry.reads and self.aug.enabled else None,
            se=self.se if "se" in entry.reads else None,
            distill=self.distill if "distill" in entry.reads else None,
        )

    def voting(self) -> Voting:
        """The params of the stage `ensemble`."""
        return Voting(threads=self.hardware.threads, **dict(self.ensemble))

    def quantizing(self) -> Quantizing:
        """The params of the stage `quantize`."""
        return Quantizing(threads=self.hardware.threads, **dict(self.quantize))

    def scoring(self) -> Scoring:
        """The params of the stage `evaluate`."""
        return Scoring(threads=self.hardware.threads, **dict(self.evaluate))

    def monte_carlo(self) -> MonteCarlo:
        """The params of the stage `mc_dropout`."""
        return MonteCarlo(
            threads=self.hardware.threads,
            seed=self.seed,
            hardware=self.hardware,
            passes=self.uncertainty.passes,
            teacher=self.uncertainty.teacher,
        )

    def doubts(self) -> Doubts:
        """The params of the stage `uncertainty`."""
        return Doubts(threads=self.hardware.threads, teacher=self.uncertainty.teacher, ece_bins=self.evaluate.ece_bins)

    def benchmarking(self) -> Benchmarking:
        """The params of the stage `benchmark`."""
        return Benchmarking(hardware=self.hardware, queries=self.benchmark.queries)

    def _entry(self, name: str) -> ladder_file.Rung:
        """A rung's entry in ladder.yaml. Raises InputError for a name that is none."""
        rungs = self.ladder.rungs
        if name not in rungs:
            raise InputError(f"no training stage is named {name!r}; there are {', '.join(rungs)}{nearest(name, rungs)}")
        return rungs[name]

    def _unknown_rungs(self) -> list[str]:
        """What is wrong with the names of rungs in `distill`, `uncertainty` and `ensemble`."""
        problems, teachers, rungs = [], self.ladder.teachers, self.ladder.rungs
        for key, name in (("distill", self.distill.teacher), ("uncertainty", self.uncertainty.teacher)):
            if name not in teachers:
                problems.append(
                    f"{key}.teacher must be a training stage ({', '.join(teachers)}), not {name!r}"
                    + nearest(name, teachers)
                )
        for name in dict.fromkeys(self.ensemble.members):
            if name not in rungs:
                problems.append(f"ensemble.members: no training stage is named {name!r}{nearest(name, rungs)}")
            if self.ensemble.members.count(name) > 1:
                problems.append(f"ensemble.members: {name} stands there twice")
        return problems

    def _dropout_of(self, rung: str) -> str:
        """The group that holds a rung's `drop_rate`."""
        entry = self.ladder.rungs[rung]
        return "se" if "se" in entry.reads else entry.recipe


def schema(ladder: Ladder) -> type[Params]:
    """The whole of params.yaml: a recipe for each group that the ladder names, besides what every ladder has."""
    return _schema(ladder.model_dump_json())


@lru_cache
def _schema(text: str) -> type[Params]:
    """One class for one ladder, so that equal params are equal."""
    ladder = Ladder.model_validate_json(text)
    recipes: dict[str, Any] = {
        group: (StudentRecipe if group in ladder.taught else Recipe, ...) for group in ladder.recipes
    }
    made = create_model("Params", __base__=Params, **recipes)
    made.ladder = ladder
    return made


def read(path: str | Path = PATH) -> Params:
    """Read and validate the whole of params.yaml. Raises InputError that lists every problem with its key."""
    return validate(load_yaml(path), path)


def validate(values: Any, path: str | Path = PATH) -> Params:
    """Validate what `load_yaml` read from `path`, for the ladder beside it. Raises InputError that lists problems."""
    params = schema(ladder_file.read(Path(path).with_name(ladder_file.PATH)))
    try:
        return params.model_validate(values)
    except ValidationError as error:
        problems = describe(error, params, TOLD)
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(
            f"{path}: {count} (nothing was run):\n" + "\n".join(f"  {line}" for line in problems)
        ) from None
