"""Presets: each merges into params.yaml, however that is written, and leaves the rest of it as it is."""

import copy
import itertools
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import bounded
from imports import ROOT
from ladder import ladder_file, params, params_edit, presets
from ladder.core.errors import InputError
from ladder.params_file import load_yaml

TRACKED = (ROOT / "params.yaml").read_text(encoding="utf-8")
LADDER = ladder_file.read(ROOT / "ladder.yaml")
NAMES = [path.stem for path in sorted((ROOT / "presets").glob("*.yaml"))]


def overridden(values: dict, overrides: dict) -> dict:
    """Plain dictionaries, nothing shared: what a preset means."""
    values = copy.deepcopy(values)
    for key, value in overrides.items():
        deeper = isinstance(value, dict) and isinstance(values[key], dict) and values[key]
        values[key] = overridden(values[key], value) if deeper else value
    return values


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_gives_valid_params_and_keeps_comments(name, workspace):
    (workspace / "params.yaml").write_text(TRACKED)
    presets.apply(name)
    merged = (workspace / "params.yaml").read_text()
    assert params.read() is not None
    assert merged.count("#") == TRACKED.count("#")
    same = load_yaml("params.yaml") == load_yaml(ROOT / "params.yaml")
    assert same == (name == "cpu"), "params.yaml holds the values of cpu; any other preset changes some"
    lines = (ROOT / "presets" / f"{name}.yaml").read_text().splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == ["# What for", "# Command", "# Budget", "# Measured"]


def test_the_estimate_for_cpu_is_of_its_epochs_and_adds_up():
    values = overridden(load_yaml(ROOT / "params.yaml"), load_yaml(ROOT / "presets/cpu.yaml"))
    text = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
    total = 0
    estimated = set()
    for names, epochs, minutes in re.findall(
        r"^\| (`.*?) \| (\d+) \| .* \| (\d+)(?: each)? \|$", text, flags=re.MULTILINE
    ):
        for name in re.findall(r"`(\w+)`", names):
            assert int(epochs) == values[LADDER.rungs[name].recipe]["epochs"], name
            total += int(minutes)
            estimated.add(name)
    assert estimated == set(LADDER.rungs)
    assert f"Together {total} minutes on one core" in text


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


def test_a_preset_that_is_gone_names_what_took_its_place(workspace):
    for gone in presets.GONE:
        with pytest.raises(InputError, match=rf"the preset {gone} is gone: gpu is .*; there are cpu, demo, gpu, "):
            presets.load(gone)
        assert gone not in NAMES


def test_a_preset_as_flags_of_dvc_exp_run(workspace):
    (workspace / "presets/some.yaml").write_text(
        "seed: 3\naug: {enabled: false, cutout: 8}\nablation: {momentum: null}\n"
    )
    assert presets.flags("some") == "-S seed=3 -S aug.enabled=false -S aug.cutout=8 -S ablation.momentum=null"
    (workspace / "presets/some.yaml").write_text("data: {path: 'a=b c'}\n")
    with pytest.raises(InputError, match="cannot express 'a=b c'"):
        presets.flags("some")
    (workspace / "presets/some.yaml").write_text("data: {path: $(ls);x}\n")
    with pytest.raises(InputError, match="cannot express"):
        presets.flags("some")


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise([*NAMES, NAMES[0]])))
def test_a_preset_after_another_is_merged_or_refused_in_one_message(workspace, first, second):
    (workspace / "params.yaml").write_text(TRACKED)
    presets.apply(first)
    before = (workspace / "params.yaml").read_text()
    expected = overridden(load_yaml("params.yaml"), presets.load(second))
    try:
        presets.apply(second)
    except InputError:  # such as a preset with stems after one for pretrained weights
        assert (workspace / "params.yaml").read_text() == before
    else:
        assert load_yaml("params.yaml") == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nothing\n", "- aug\n", "aug\n", "aug: 3\n", "aug: [1]\n", "1: 2\n", "aug: {~: 2}\n"),
        *("aug: {hflip: {a: 1}}\n", "aug: {hflip: 2001-99-99}\n", "aug: &a {hflip: *a}\n", "aug: {hflip: 0\n"),
        "seed: 0x" + "f" * 5000,
        *('data: {path: "\\ud800"}\n', 'data: {path: "\\0"}\n', "data: {path: ''}\n", '"\\ud800": 1\n'),
    ],
)  # fmt: skip
def test_a_preset_that_holds_anything_else_is_refused_in_one_message(workspace, text):
    before = (workspace / "params.yaml").read_bytes()
    (workspace / "presets/odd.yaml").write_text(text)
    with pytest.raises(InputError):
        presets.apply("odd")
    assert (workspace / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("text", ["- a\n", "words\n", "", "seed: [", "? [a]\n: 1\n"])
def test_a_preset_on_what_are_no_params_is_refused_in_one_message(workspace, text):
    (workspace / "params.yaml").write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml"):
        presets.apply("demo")
    assert (workspace / "params.yaml").read_text() == text


def test_what_a_preset_does_not_change_stays_as_it_is_written(workspace):
    text = TRACKED.replace("hflip: 0.5  ", "hflip: +.5  ").replace("passes: 20 ", "passes: 0x14 ").replace("\n", "\r\n")
    text = text.replace("momentum: null", "momentum: ~").replace("compile: false", "compile:    False")
    Path("params.yaml").write_bytes(text.encode())
    Path("presets/some.yaml").write_text("aug: {hflip: 0.5, cutout: 4}\nbaseline: {lr: 0.01}\n")
    presets.apply("some")
    changed = text.replace("cutout: 0 ", "cutout: 4 ").replace("lr: 0.0001", "lr: 0.01", 1)
    assert Path("params.yaml").read_bytes() == changed.encode()
    presets.apply("some")
    assert Path("params.yaml").read_bytes() == changed.encode()


# How a group may be written: what stands for it, with two groups before it to follow.
RECIPE = overridden(load_yaml(ROOT / "params.yaml"), load_yaml(ROOT / "presets/scratch.yaml"))["ablation"]
SOME = {key: RECIPE[key] for key in ("arch", "input_size", "stem", "drop_rate", "epochs", "batch_size")}
FORMS = {
    "own": params_edit.flow(RECIPE),
    "block": "\n" + "".join(f"  {key}: {params_edit.flow(value)}  # {key}\n" for key, value in RECIPE.items()),
    "alias": "*r",
    "alias of an alias": "*s",
    "merge": "  # merges\n  <<: *r  # all\n  epochs: 3\n",
    "merge last": "\n  lr: 0.5\n  # both\n  <<: [*s, *r]\n",
    "merge in one line": "{<<: *r, lr: *l}",
    "merge of a part": f"{{<<: [{params_edit.flow(SOME)}, *r]}}",
}
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "lr": st.sampled_from([0.04, 0.5, 1e-05]),
        "epochs": st.sampled_from([3, 7, 11]),
        "batch_size": st.sampled_from([64, 500]),
        "momentum": st.sampled_from([None, 0.6]),
        "stem": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"stride": st.just(2), "pool": st.booleans()})),
    },
)


def written(baseline: str, ablation: str) -> str:
    """The tracked params with two groups written in these forms; what they follow is `resnet`, put first.

    `student` has a key that other recipes do not know, and stays as it is.
    """
    blocks = {match[2]: match[1] for match in re.finditer(r"(?ms)^((\w+):.*?)(?=^\w|\Z)", TRACKED)}
    first = FORMS["block"].replace("lr: ", "lr: &l ").replace("\n", "\n  # a comment\n", 1)
    blocks |= {
        "resnet": f"resnet: &r  # first{first}\n",
        "effnet": "effnet: &s {<<: *r, epochs: 5}  # second\n",
    }
    order = ["resnet", "effnet", *(name for name in blocks if name not in ("resnet", "effnet"))]
    for name, form in (("baseline", baseline), ("ablation", ablation)):
        blocks[name] = f"{name}: {FORMS[form]}" + ("" if FORMS[form].endswith("\n") else f"  # {name}\n") + "\n"
    return "".join(blocks[name] for name in order)


@bounded(60)
@given(
    forms=st.tuples(*[st.sampled_from(sorted(FORMS))] * 2),
    overrides=st.fixed_dictionaries(
        {}, optional={name: PARTS for name in ("resnet", "effnet", "baseline", "ablation")}
    ),
)
def test_a_preset_means_the_same_however_params_are_written(workspace, forms, overrides):
    text = written(*forms)
    Path("params.yaml").write_text(text)
    values = load_yaml("params.yaml")
    params.validate(values)
    Path("presets/some.yaml").write_text(params_edit.flow(overrides or {"seed": 0}))
    try:
        expected = params.validate(overridden(values, overrides))
    except InputError:  # a stem of null that a preset gives a stride alone
        with pytest.raises(InputError):
            presets.apply("some")
        return
    presets.apply("some")
    assert params.read() == expected
    merged = Path("params.yaml").read_text()
    assert merged.count("#") == text.count("#")
    presets.apply("some")
    assert Path("params.yaml").read_text() == merged
