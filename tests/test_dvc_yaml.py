"""dvc.yaml against the code: deps are what a stage imports, params what it reads, outs what it writes."""

import re

import pytest
import yaml

from imports import ROOT, reached
from ladder import params

DVC_YAML = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def stages() -> dict[str, dict]:
    """Stage name -> its entry; a `foreach` stage once, with its first item filled in."""
    found = {}
    for name, entry in DVC_YAML["stages"].items():
        if "foreach" in entry:
            item = entry["foreach"][0]
            entry = yaml.safe_load(yaml.safe_dump(entry["do"]).replace("${item}", item))
        found[name] = entry
    return found


@pytest.mark.parametrize("name", stages())
def test_deps_name_every_module_that_the_stage_reaches(name):
    stage = stages()[name]
    script = re.search(r"stages/\w+\.py", stage["cmd"]).group()
    code = {dep for dep in stage["deps"] if dep.endswith(".py")}
    assert code == reached(script)


@pytest.mark.parametrize("name", stages())
def test_every_stage_says_what_it_is(name):
    assert DVC_YAML["stages"][name].get("desc") or stages()[name].get("desc")


def test_params_groups_exist():
    named = {group for stage in stages().values() for group in stage.get("params", [])}
    assert named <= set(params.Params.model_fields)
    assert set(params.Params.model_fields) <= named, "a group that no stage reads"


def test_every_training_stage_is_a_rung_and_the_reverse():
    training = {name for name, stage in stages().items() if "models/" + name in stage.get("outs", [])}
    assert training == set(params.RECIPES)
