"""params.yaml: the whole of it is validated, and every problem is named with its key."""

import copy
import subprocess

import pytest

from imports import ROOT
from ladder import params, presets
from ladder.core.errors import InputError

VALUES = params.load_yaml(ROOT / "params.yaml")


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
        ("ablation.stem.strde", 1, "ablation.stem.strde: unknown key; did you mean stride?"),
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
        ("model.pretrained", True, "ablation.stem must be null with model.pretrained=true"),
        ("student.drop_rate", 0.0, "student.drop_rate must be above 0: `uncertainty` needs dropout"),
        ("se.drop_rate", 0.0, "se.drop_rate must be above 0: `uncertainty` needs dropout"),
        ("distill.teacher", "train_resnet", "resnet.drop_rate must be above 0: `uncertainty` needs dropout"),
        ("seed", -1, "seed: .*greater than or equal to 0, not -1"),
    ],
)
def test_a_bad_value_is_named_with_its_key(key, value, message):
    with pytest.raises(InputError, match=message):
        params.validate(changed(key, value))


@pytest.mark.parametrize("path", ["my_images", "../photos.zip", "/photos", "my/data/raw"])
def test_own_images_may_lie_anywhere(path):
    values = changed("data", VALUES["data"] | {"source": "image_folder", "path": path})
    assert params.validate(values).data.path == path


@pytest.mark.parametrize("path", ["data", "data/raw/image_folder", "./data/mine", ".", ""])
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


@pytest.mark.parametrize(
    ("text", "value"), [("1e-05", 1e-5), ("1e-3", 1e-3), ("-2.5E4", -2.5e4), ("3", 3), (".5", 0.5)]
)
def test_yaml_reads_numbers_as_dvc_writes_them(tmp_path, text, value):
    (tmp_path / "x.yaml").write_text(f"x: {text}\n")
    read = params.load_yaml(tmp_path / "x.yaml")["x"]
    assert (read, type(read)) == (value, type(value))


def test_strings_that_look_like_numbers_stay_strings(tmp_path):
    (tmp_path / "x.yaml").write_text('a: "1e-05"\nb: 1e-05x\nc: 2026-01-01x\n')
    assert params.load_yaml(tmp_path / "x.yaml") == {"a": "1e-05", "b": "1e-05x", "c": "2026-01-01x"}


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "\tb: 1", "just words", ""])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml"):
        params.read(tmp_path / "params.yaml")


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(InputError, match="top folder of the repository"):
        params.read(tmp_path / "params.yaml")


def test_matched_rungs_differ_in_augmentation_alone():
    cfg = params.read(ROOT / "params.yaml")
    with_aug, without = cfg.rung("train_aug"), cfg.rung("train_noaug")
    assert with_aug.aug == cfg.aug
    assert without.aug is None
    assert with_aug.model_copy(update={"aug": None}) == without


def test_without_augmentation_the_two_are_the_same_run():
    cfg = params.validate(changed("aug.enabled", False))
    assert cfg.rung("train_aug") == cfg.rung("train_noaug")


def test_an_unknown_rung_names_the_nearest():
    with pytest.raises(InputError, match="did you mean train_aug"):
        params.read(ROOT / "params.yaml").rung("train_ag")


@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "presets").glob("*.yaml"))])
def test_every_preset_gives_valid_params_and_keeps_comments(name, workspace):
    text = (ROOT / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(text)
    presets.apply(name)
    merged = (workspace / "params.yaml").read_text()
    assert params.read() is not None
    assert merged.count("#") == text.count("#")
    same = params.load_yaml("params.yaml") == params.load_yaml(ROOT / "params.yaml")
    assert same == (name == "cpu"), "params.yaml holds the values of cpu; any other preset changes some"
    lines = (ROOT / "presets" / f"{name}.yaml").read_text().splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["# What for", "# Command", "# Budget", "# Measured"]


def test_a_preset_with_an_unknown_key_changes_nothing(workspace):
    before = (workspace / "params.yaml").read_bytes()
    (workspace / "presets/bad.yaml").write_text("aug: {rotations: 3}\n")
    with pytest.raises(InputError, match=r"no key aug\.rotations; did you mean rotation"):
        presets.apply("bad")
    (workspace / "presets/bad.yaml").write_text("aug: {rotation: 999.0}\n")
    with pytest.raises(InputError, match=r"aug\.rotation"):
        presets.apply("bad")
    assert (workspace / "params.yaml").read_bytes() == before
    assert not list(workspace.glob(".*.tmp"))


def test_params_that_differ_from_the_last_commit_are_noticed(workspace):
    assert presets.is_committed(), "no repository, nothing to differ from"
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
    for command in (["init", "--quiet"], ["add", "params.yaml"], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    assert presets.is_committed()
    presets.apply("demo")
    assert not presets.is_committed()


def test_an_unknown_preset_names_those_there_are(workspace):
    with pytest.raises(InputError, match="did you mean demo"):
        presets.apply("demmo")


def test_a_preset_as_flags_of_dvc_exp_run(workspace):
    (workspace / "presets/some.yaml").write_text(
        "seed: 3\naug: {enabled: false, cutout: 8}\nablation: {momentum: null}\n"
    )
    assert presets.flags("some") == "-S seed=3 -S aug.enabled=false -S aug.cutout=8 -S ablation.momentum=null"
    (workspace / "presets/some.yaml").write_text("data: {path: 'a=b c'}\n")
    with pytest.raises(InputError, match="cannot express 'a=b c'"):
        presets.flags("some")
