"""The groups of params.yaml: what each key means, its unit, and which values it takes. No default, no arithmetic."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from ladder.params_file import shown

# Upper bounds keep a slip of the keyboard from ending hours later in NumPy's, torch's or the system's own words.
Positive = Annotated[int, Field(gt=0, lt=2**31)]
Pixels = Annotated[int, Field(ge=8, le=4096)]
FilePath = Annotated[str, Field(pattern=r"^[^\x00]+$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


class Group(BaseModel):
    """Frozen, strict (no "yes" for true, no NaN), and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _size(value: Any) -> int | float | None:
    """One message, where a union of types would give one for each."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (is_number and (0 < value < 1 or (isinstance(value, int) and 0 < value < 2**31))):
        return value
    raise ValueError(f"must be a number of images (an integer), a share of them below 1, or null, not {shown(value)}")


def _pattern(value: Any) -> str | None:
    """A regular expression of Python's, or null."""
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be null or a regular expression, such as '^[^_]+', not {shown(value)}")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression ({error}), but {shown(value)}") from None
    return value


Size = Annotated[int | float | None, PlainValidator(_size)]
Pattern = Annotated[str | None, PlainValidator(_pattern)]
SourceName = Literal["cifar10", "cifar10_jpeg", "image_folder", "digits"]


class Data(Group):
    """What to read and how to split it.

    `path`: the folder that the stage `images` makes of the source, or one's own images. `fit`: how images that are no
    squares become some (`images.decode.fit`), in training and in use. Sizes are numbers of images,
    or shares below 1 of those in the source's training part; null where the source brings the part. `groups`: a pattern
    over file names, whose match names what must stay on one side: a patient, a video, a scene. `pictures`: the
    folder of pictures that show images, of which Git ignores `private`.
    """

    source: SourceName
    path: FilePath
    image_size: Pixels
    fit: Literal["squash", "crop", "pad"]
    split_seed: Annotated[int, Field(ge=0, lt=2**32)]  # what scikit-learn takes
    val_size: Size
    test_size: Size
    groups: Pattern
    pictures: Literal["plots", "private"]

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
            raise ValueError("source digits has one part only: val_size and test_size must both say how much to draw")
        if self.source.startswith("cifar10") and self.test_size is not None:
            raise ValueError(
                f"source {self.source} brings its own test part: test_size must be null, not {self.test_size}"
            )
        if self.source.startswith("cifar10") and self.val_size is None:
            raise ValueError(f"source {self.source} has no validation part: val_size must say how much to draw")
        if self.source != "image_folder" and self.groups is not None:
            raise ValueError(f"groups is a pattern over the file names of one's own images: null with {self.source}")
        if self.source.startswith("cifar10") and self.image_size != 32:
            raise ValueError(
                f"source {self.source} has 32 px images: image_size must be 32, not {self.image_size}"
                " (to train on enlarged images, raise a recipe's input_size)"
            )
        return self


class Hardware(Group):
    """Where and how to compute. `auto` takes what the committed table in `devices.py` says.

    `threads`: CPU threads of each stage that computes, whatever the machine has: results depend on their number.
    `processes` divide each batch of a training between them; `sync_batch_norm` lets BatchNorm see the whole batch then.
    """

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "float32", "bfloat16"]
    threads: Annotated[int, Field(gt=0, le=1024)]
    compile: bool
    processes: Positive
    sync_batch_norm: bool
    predict_batch_size: Positive


class Model(Group):
    """What all networks share: how images become a recipe's `input_size`."""

    resize: Literal["bilinear", "bicubic", "nearest"]


class Stem(Group):
    """A stem for small images. Strides in pixels.

    `stride` of the first convolution (its kernel becomes 3x3), whether the stem's max pooling stays (`pool`), and how
    many of the stages that halve the resolution no longer do (`unstrided_stages`, counted from the stem).
    """

    stride: Literal[1, 2, 4]
    pool: bool
    unstrided_stages: Annotated[int, Field(ge=0, le=10)]


Start = Literal["scratch", "imagenet"]


class Recipe(Group):
    """One training recipe. Sizes in pixels, rates per step, durations in epochs.

    `weights`: random ones, or those that the stage `weights` found.
    """

    arch: str
    weights: Start
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
    def pretrained_weights_keep_their_stem(self):
        if self.weights == "imagenet" and self.stem is not None:
            raise ValueError(
                "stem must be null with weights=imagenet: pretrained weights keep the stem they were trained with"
                " (enlarge the images with input_size instead)"
            )
        return self

    @model_validator(mode="after")
    def warmup_ends(self):
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs={self.warmup_epochs} must be below epochs={self.epochs}")
        return self


class StudentRecipe(Recipe):
    """A recipe that a rung with a teacher has.

    `views`: how many augmented views of the training images come back in turn, for each rung of the recipe, so that the
    teacher answers each once; null: new ones each epoch.
    """

    views: Annotated[int, Field(gt=0, le=1000)] | None


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
    `max_sensitivity`: a layer that alone in int8 moves the logits by more stays in float.
    """

    calibration_images: Positive
    coverage: Annotated[float, Field(gt=0.5, le=1)]
    max_sensitivity: Annotated[float, Field(gt=0, le=1)]
    max_drop: Fraction


class Uncertainty(Group):
    """Monte Carlo dropout of the student and of the rung `teacher`: number of stochastic passes."""

    teacher: str
    passes: Annotated[int, Field(ge=2, le=10_000)]


class Benchmark(Group):
    """Timed queries at batch 1 for each variant, as many as fit into `seconds` for each number of threads."""

    queries: Annotated[int, Field(gt=0, le=10_000_000)]
    seconds: Annotated[int, Field(gt=0, le=10_000_000)]


class Report(Group):
    """Paired comparisons: bootstrap samples, and the confidence of intervals and tests.

    `page`: the HTML page's file; Git ignores my_report.html, for pages that show one's own images.
    """

    page: Literal["report.html", "my_report.html"]
    bootstrap_samples: Annotated[int, Field(gt=0, le=10_000_000)]
    confidence: Annotated[float, Field(gt=0, lt=1)]


class Evaluate(Group):
    """Scores: bins of the expected calibration error, confidence of the interval around accuracy."""

    ece_bins: Annotated[int, Field(ge=2, le=10_000)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
