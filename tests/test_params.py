"""params.yaml: the whole of it is validated, and every problem is named with its key."""

import copy

import pytest

from imports import ROOT
from ladder import params
from ladder.core.errors import InputError

VALUES = params.load_yaml(ROOT / "params.yaml")
STEM = {"stride": 1, "pool": True, "unstrided_stages": 0}


def changed(key: str, value) -> dict:
    values = copy.deepcopy(VALUES)
    *path, last = key.split(".")
    group = values
    for part in path:
        group = group[part]
    group[last] = value
    return values


def test_the_tracked_file_is_valid():
    assert params.read(ROOT / "params.yaml").seed == VALUES["seed"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("aug.enabled", "yes", "aug.enabled: .*boolean, not 'yes'"),
        ("aug.enabled", 0, "aug.enabled: .*boolean, not 0"),
        ("ablation.lr", float("nan"), "ablation.lr: .*finite number, not nan"),
        ("ablation.lr", float("inf"), "ablation.lr: .*finite"),
        ("ablation.lr", "fast", "ablation.lr: .*number, not 'fast'"),
        ("ablation.lr", -0.1, "ablation.lr: .*greater than 0, not -0.1"),
        ("ablation.epochs", 2.5, "ablation.epochs: .*integer, not 2.5"),
        ("ablation.epochs", True, "ablation.epochs: .*integer, not True"),
        ("ablation.epocs", 3, "ablation.epocs: unknown key; did you mean epochs?"),
        ("ablation.stem", STEM | {"strde": 1}, "ablation.stem.strde: unknown key; did you mean stride?"),
        ("abblation", {}, "abblation: unknown key; did you mean ablation"),
        ("ablation.warmup_epochs", 99.0, "ablation: warmup_epochs=99.0 must be below epochs="),
        ("data.source", "cifar100", "data.source: .*'cifar10', 'cifar10_jpeg'.*, not 'cifar100'"),
        (
            "data.source",
            "digits",
            "data: source digits is read from .*: path must be data/raw/digits, not data/raw/cifar",
        ),
        ("data.path", "data/raw", "data: source cifar10_jpeg .*: path must be data/raw/cifar10_jpeg, not data/raw$"),
        ("data.path", "my_images", "data: source cifar10_jpeg .*: path must be data/raw/cifar10_jpeg, not my_images"),
        ("data.val_size", None, "data: source cifar10.* has no validation part"),
        ("data.test_size", 5, "data: .*test_size must be null, not 5"),
        ("data.image_size", 64, "data: .*image_size must be 32, not 64"),
        ("aug.crop_padding", 32, "aug.crop_padding=32 must be below data.image_size=32"),
        ("aug.cutout", 33, "aug.cutout=33 must not exceed data.image_size=32"),
        ("ablation.stem", STEM, "ablation: stem must be null with weights=imagenet"),
        ("ablation.weights", "imagenets", "ablation.weights: .*'scratch' or 'imagenet', not 'imagenets'"),
        ("model.pretrained", False, r"model.pretrained: gone, set <recipe>.weights \(baseline.weights"),
        ("model.weights", {}, "model.weights: gone, put the file into assets/weights/ as <arch>.safetensors"),
        ("student.drop_rate", 0.0, "student.drop_rate must be above 0: `mc_dropout` needs it"),
        ("se.drop_rate", 0.0, "se.drop_rate must be above 0: `mc_dropout` needs it"),
        ("uncertainty.teacher", "train_resnet", "resnet.drop_rate must be above 0: `mc_dropout` needs it"),
        ("uncertainty.teacher", "train_s", "uncertainty.teacher must be a training stage .*did you mean train_se"),
        ("student.views", 0, "student.views: .*greater than 0, not 0"),
        ("student.views", 1001, "student.views: .*less than or equal to 1000, not 1001"),
        ("student.views", 2.0, "student.views: .*integer, not 2.0"),
        ("resnet.views", 4, "resnet.views: unknown key"),
        ("seed", -1, "seed: .*greater than or equal to 0, not -1"),
        ("seed", 2**63, "seed: .*less than 9223372036854775808, not 9223372036854775808"),
        ("data.split_seed", 2**32, "data.split_seed: .*less than 4294967296"),
        ("data.image_size", 100_000, "data.image_size: .*less than or equal to 4096, not 100000"),
        ("ablation.input_size", 4097, "ablation.input_size: .*less than or equal to 4096"),
        ("ablation.batch_size", 1e20, r"ablation.batch_size: .*valid integer, not 1e\+20"),
        ("ablation.batch_size", 10**20, "ablation.batch_size: .*less than or equal to 1048576"),
        ("ablation.epochs", 10**30, "ablation.epochs: .*less than or equal to 100000"),
        ("ablation.lr", 1e300, "ablation.lr: .*less than or equal to 1000"),
        ("ablation.lr", 10**400, "ablation.lr: .*number"),
        ("data.path", "a\0b", r"data.path: .*pattern .*, not 'a\\x00b'"),
        ("data.path", "", "data.path: .*pattern .*, not ''"),
        ("data.path", "\ud800", "data.path: .*unicode"),
        ("aug", None, "aug: .*, not None"),
        ("aug", ["x" * 1000] * 1000, r"aug: .{0,700}$"),
        ("ablation.arch", b"x", "ablation.arch: .*string, not b'x'"),
        ("ensemble.members", {"train_aug"}, "ensemble.members: .*list, not {'train_aug'}"),
    ],
)
def test_a_bad_value_is_named_with_its_key(key, value, message):
    with pytest.raises(InputError, match=message):
        params.validate(changed(key, value))


@pytest.mark.parametrize("path", ["my_images", "../photos.zip", "/photos", "my/data/raw"])
def test_own_images_may_lie_anywhere(path):
    values = changed("data", VALUES["data"] | {"source": "image_folder", "path": path})
    assert params.validate(values).data.path == path


@pytest.mark.parametrize("path", ["data", "data/raw/image_folder", "./data/mine", "."])
def test_own_images_do_not_lie_where_stages_write(path):
    values = changed("data", VALUES["data"] | {"source": "image_folder", "path": path})
    with pytest.raises(InputError, match=r"data: source image_folder .* outside of data/, where stages write, not "):
        params.validate(values)


def test_every_problem_is_listed_at_once():
    values = changed("aug.hflip", 2.0)
    values["ablation"]["epochs"] = 0
    del values["seed"]
    with pytest.raises(InputError) as error:
        params.validate(values)
    text = str(error.value)
    assert "3 problems (nothing was run)" in text
    assert all(key in text for key in ("aug.hflip", "ablation.epochs", "seed: missing"))


def test_matched_rungs_differ_in_augmentation_alone():
    cfg = params.read(ROOT / "params.yaml")
    with_aug, without = cfg.rung("train_aug"), cfg.rung("train_noaug")
    assert with_aug.aug == cfg.aug
    assert without.aug is None
    assert with_aug.model_copy(update={"aug": None}) == without


@pytest.mark.parametrize("views", [None, 4])
def test_the_student_with_a_teacher_differs_in_the_teacher_alone(views):
    cfg = params.validate(changed("student.views", views))
    alone, taught = cfg.rung("train_student"), cfg.rung("distill")
    assert alone.views == taught.views == views
    assert taught.model_copy(update={"distill": None}) == alone
    assert cfg.rung("train_resnet").views is None


def test_without_augmentation_the_two_are_the_same_run():
    cfg = params.validate(changed("aug.enabled", False))
    assert cfg.rung("train_aug") == cfg.rung("train_noaug")


def test_an_unknown_rung_names_the_nearest():
    with pytest.raises(InputError, match="did you mean train_aug"):
        params.read(ROOT / "params.yaml").rung("train_ag")


def test_every_integer_has_an_upper_bound():
    """No slip of the keyboard gets through to what takes 32 or 64 bits, or all of the memory, or prints its digits."""

    def integers(values: dict, path: str = ""):
        for key, value in values.items():
            if isinstance(value, dict):
                yield from integers(value, f"{path}{key}.")
            elif isinstance(value, int) and not isinstance(value, bool):
                yield f"{path}{key}"

    for key in integers(VALUES):
        for value in (2**63, 10**5000):
            with pytest.raises(InputError, match=rf"{key}: .*, not (922337\d*|a number of 16,610 bits)$"):
                params.validate(changed(key, value))


def test_rungs_may_mix_scratch_and_pretrained():
    values = changed("ablation.weights", "scratch")
    values["ablation"]["stem"] = STEM
    cfg = params.validate(values)
    assert (cfg.rung("train_effnet").recipe.weights, cfg.rung("train_aug").recipe.weights) == ("imagenet", "scratch")
    assert (cfg.weights("train_effnet").weights, cfg.weights("train_effnet").arch) == ("imagenet", cfg.effnet.arch)
    with pytest.raises(InputError, match=r"no training stage is named 'train_efnet'.*did you mean train_effnet"):
        cfg.weights("train_efnet")


@pytest.mark.parametrize("teacher", params.read(ROOT / "params.yaml").ladder.teachers)
def test_any_rung_may_teach_with_dropout_or_without(teacher):
    assert params.validate(changed("distill.teacher", teacher)).distill.teacher == teacher


@pytest.mark.parametrize("key", ["uncertainty.teacher", "student.views"])
def test_a_file_of_before_is_told_what_a_new_key_is(key):
    values = copy.deepcopy(VALUES)
    group, _, name = key.partition(".")
    del values[group][name]
    with pytest.raises(InputError, match=rf"one problem .*\n  {key}: new, add it: "):
        params.validate(values)
