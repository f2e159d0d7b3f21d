"""params.yaml -> frozen, validated objects: the schema. It holds no default and no arithmetic.

The whole file is validated whatever part a stage needs, so that a typo in `distill` stops `split` in its first second.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from ladder import ladder_file
from ladder.core.errors import InputError, nearest
from ladder.ladder_file import Ladder
from ladder.params_file import describe, load_yaml

# Upper bounds keep a slip of the keyboard from ending hours later in NumPy's, torch's or the system's own words.
Positive = Annotated[int, Field(gt=0, lt=2**31)]
Pixels = Annotated[int, Field(ge=8, le=4096)]
FilePath = Annotated[str, Field(pattern=r"^[^\x00]+$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]

PATH = "params.yaml"
STUDENT = "distill"  # the rung that is deployed


class Group(BaseModel):
    """Frozen, strict (no "yes" for true, no NaN), and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


SourceName = Literal["cifar10", "cifar10_jpeg", "image_folder", "digits"]


class Data(Group):
    """What to read and how to split it. Sizes are numbers of images.

    `path`: the folder that the stage `images` makes of the source, or one's own images.
    """

    source: SourceName
    path: FilePath
    image_size: Pixels
    split_seed: Annotated[int, Field(ge=0, lt=2**32)]  # what scikit-learn takes
    val_size: Positive | None
    test_size: Positive | None

    @model_validator(mode="after")
    def path_fits_the_source(self):
        made = f"data/raw/{self.source}"
        if self.source != "image_folder" and self.path != made:
            raise ValueError(
                f"source {self.source} is read from what the stage `images` makes: path must be {made}, not {self.path}"
            )
        if self.source == "image_folder" and Path(self.path).parts[:1] in ((), ("data",)):
            raise ValueError(
                "source image_folder is read from where your images are: path must be their folder or archive, outside"
                f" of data/, where stages write, not {self.path!r}"
            )
        return self

    @model_validator(mode="after")
    def sizes_fit_the_source(self):
        if self.source == "digits" and (self.val_size is None or self.test_size is None):
            raise ValueError("source digits has one part only: val_size and test_size must both be numbers of images")
        if self.source != "digits" and self.test_size is not None:
            raise ValueError(
                f"source {self.source} brings its own test part: test_size must be null, not {self.test_size}"
            )
        if self.source.startswith("cifar10") and self.val_size is None:
            raise ValueError(f"source {self.source} has no validation part: val_size must be a number of images")
        if self.source.startswith("cifar10") and self.image_size != 32:
            raise ValueError(
                f"source {self.source} has 32 px images: image_size must be 32, not {self.image_size}"
                " (to train on enlarged images, raise a recipe's input_size)"
            )
        return self


class Hardware(Group):
    """Where and how to compute. `auto` takes what the committed table in `devices.py` says.

    `processes` divide each batch of a training between them; `sync_batch_norm` lets BatchNorm see the whole batch then.
    """

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16"]
    compile: bool
    processes: Positive
    sync_batch_norm: bool
    predict_batch_size: Positive


class Model(Group):
    """Transfer learning (`pretrained`) or training from scratch. `weights`: architecture -> local safetensors file."""

    pretrained: bool
    resize: Literal["bilinear", "bicubic", "nearest"]
    weights: dict[str, FilePath]


class Stem(Group):
    """A stem for small images. Strides in pixels.

    `stride` of the first convolution (its kernel becomes 3x3), whether the stem's max pooling stays (`pool`), and how
    many of the stages that halve the resolution no longer do (`unstrided_stages`, counted from the stem).
    """

    stride: Literal[1, 2, 4]
    pool: bool
    unstrided_stages: Annotated[int, Field(ge=0, le=10)]


class Recipe(Group):
    """One training recipe. Sizes in pixels, rates per step, durations in epochs."""

    arch: str
    input_size: Pixels
    stem: Stem | None
    drop_rate: BelowOne
    epochs: Annotated[int, Field(gt=0, le=100_000)]
    batch_size: Annotated[int, Field(ge=2, le=2**20)]
    optimizer: str
    lr: Annotated[float, Field(gt=0, le=1000)]
    momentum: BelowOne | None
    weight_decay: Annotated[float, Field(ge=0, le=1000)]
    schedule: Literal["constant", "cosine"]
    warmup_epochs: Annotated[float, Field(ge=0)]
    label_smoothing: BelowOne

    @model_validator(mode="after")
    def warmup_ends(self):
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs={self.warmup_epochs} must be below epochs={self.epochs}")
        return self


class ColorJitter(Group):
    """Half-widths of uniform factors around 1 (brightness, contrast, saturation), and of a hue shift in turns."""

    brightness: Fraction
    contrast: Fraction
    saturation: Fraction
    hue: Annotated[float, Field(ge=0, le=0.5)]


class Aug(Group):
    """Augmentation, drawn anew for each image. Lengths in pixels of the split's images, angles in degrees."""

    enabled: bool
    hflip: Fraction
    rotation: Annotated[float, Field(ge=0, le=180)]
    crop_padding: Annotated[int, Field(ge=0, lt=4096)]
    color_jitter: ColorJitter
    cutout: Annotated[int, Field(ge=0, le=4096)]
    fill: Literal["reflect", "mean", "black"]


class SqueezeExcite(Group):
    """The head of `train_se`: channels are squeezed to 1/`reduction`, `drop_rate` before the linear layer."""

    reduction: Positive
    drop_rate: BelowOne


class Distill(Group):
    """Distillation from the stage `teacher`: `temperature` softens both, `alpha` is the teacher's share of the loss."""

    teacher: str
    temperature: Annotated[float, Field(gt=0, le=1000)]
    alpha: Fraction


class Ensemble(Group):
    """Soft voting over stages. `validation` weights are fitted on validation."""

    members: Annotated[list[str], Field(min_length=1)]
    vote: Literal["logits", "probabilities"]
    weights: Literal["equal", "validation"]


class Quantize(Group):
    """int8 models. `calibration_images` are taken from the training part; `max_drop` is what `make check` allows.

    `coverage`: share of the calibration images whose values all lie within a tensor's 256 levels, at either end.
    """

    calibration_images: Positive
    coverage: Annotated[float, Field(gt=0.5, le=1)]
    max_drop: Fraction


class Uncertainty(Group):
    """Monte Carlo dropout: number of stochastic passes."""

    passes: Annotated[int, Field(ge=2, le=10_000)]


class Benchmark(Group):
    """Timed queries at batch 1 for each variant."""

    queries: Annotated[int, Field(gt=0, le=10_000_000)]


class Report(Group):
    """Paired comparisons: bootstrap samples, and the confidence of intervals and tests."""

    bootstrap_samples: Annotated[int, Field(gt=0, le=10_000_000)]
    confidence: Annotated[float, Field(gt=0, lt=1)]


class Evaluate(Group):
    """Scores: bins of the expected calibration error, confidence of the interval around accuracy."""

    ece_bins: Annotated[int, Field(ge=2, le=10_000)]
    confidence: Annotated[float, Field(gt=0, lt=1)]


class Images(Group):
    """All the params that the stage `images` depends on."""

    source: SourceName


class Rung(Group):
    """All the params that one training run depends on. Two rungs with equal params are the same run."""

    seed: int
    hardware: Hardware
    model: Model
    recipe: Recipe
    aug: Aug | None
    se: SqueezeExcite | None
    distill: Distill | None


class MonteCarlo(Group):
    """All the params that the stage `mc_dropout` depends on."""

    seed: int
    hardware: Hardware
    passes: int
    teacher: str


class Doubts(Group):
    """All the params that the stage `uncertainty` depends on."""

    teacher: str
    ece_bins: int


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
            dropping = (self._dropout_of(name) for name in (STUDENT, self.distill.teacher))
            problems += [
                f"{group}.drop_rate must be above 0: `mc_dropout` needs dropout in the student and in its teacher"
                for group in dict.fromkeys(dropping)
                if getattr(self, group).drop_rate == 0
            ]
        for group in self.ladder.recipes:
            if self.model.pretrained and self.recipe(group).stem is not None:
                problems.append(
                    f"{group}.stem must be null with model.pretrained=true: pretrained weights keep the stem they were"
                    " trained with (enlarge the images with input_size instead)"
                )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def recipe(self, group: str) -> Recipe:
        """The group of that name, one of `ladder.recipes`."""
        return getattr(self, group)

    def images(self) -> Images:
        """The params of the stage `images`."""
        return Images(source=self.data.source)

    def rung(self, name: str) -> Rung:
        """The params of one training stage. Raises InputError for a name that is none."""
        rungs = self.ladder.rungs
        if name not in rungs:
            raise InputError(f"no training stage is named {name!r}; there are {', '.join(rungs)}{nearest(name, rungs)}")
        reads = rungs[name].reads
        return Rung(
            seed=self.seed,
            hardware=self.hardware,
            model=self.model,
            recipe=self.recipe(rungs[name].recipe),
            aug=self.aug if "aug" in reads and self.aug.enabled else None,
            se=self.se if "se" in reads else None,
            distill=self.distill if "distill" in reads else None,
        )

    def monte_carlo(self) -> MonteCarlo:
        """The params of the stage `mc_dropout`."""
        return MonteCarlo(
            seed=self.seed,
            hardware=self.hardware,
            passes=self.uncertainty.passes,
            teacher=self.distill.teacher,
        )

    def doubts(self) -> Doubts:
        """The params of the stage `uncertainty`."""
        return Doubts(teacher=self.distill.teacher, ece_bins=self.evaluate.ece_bins)

    def _unknown_rungs(self) -> list[str]:
        """What is wrong with the names of rungs in `distill` and `ensemble`."""
        problems, teachers, rungs = [], self.ladder.teachers, self.ladder.rungs
        if self.distill.teacher not in teachers:
            problems.append(
                f"distill.teacher must be a training stage ({', '.join(teachers)}), not {self.distill.teacher!r}"
                + nearest(self.distill.teacher, teachers)
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

    def benchmarking(self) -> Benchmarking:
        """The params of the stage `benchmark`."""
        return Benchmarking(hardware=self.hardware, queries=self.benchmark.queries)


def schema(ladder: Ladder) -> type[Params]:
    """The whole of params.yaml: a recipe for each group that the ladder names, besides what every ladder has."""
    return _schema(ladder.model_dump_json())


@lru_cache
def _schema(text: str) -> type[Params]:
    """One class for one ladder, so that equal params are equal."""
    ladder = Ladder.model_validate_json(text)
    recipes: dict[str, Any] = {group: (Recipe, ...) for group in ladder.recipes}
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
        problems = describe(error, params)
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(
            f"{path}: {count} (nothing was run):\n" + "\n".join(f"  {line}" for line in problems)
        ) from None
