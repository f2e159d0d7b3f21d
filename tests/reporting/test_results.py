"""README's sections, of the tracked run and with parts of it changed."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from imports import ROOT
from ladder import params
from ladder.core.errors import InputError
from ladder.reporting import results


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A copy of the tracked results in the current folder."""
    for folder in ("metrics", "plots/report", "plots/benchmark", "presets", "docs/seeds"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("params.yaml", "ladder.yaml", "dvc.lock"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(folder: Path, group: str, **changed) -> None:
    """Have dvc.lock say that rungs of this recipe were trained with other values."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    for stage in lock["stages"].values():
        recorded = stage.get("params", {}).get("params.yaml", {})
        if group in recorded:
            recorded[group] |= changed
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock))


def lines(text: str, beginning: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginning)]


def test_a_rung_has_its_figures(run):
    scores = {"accuracy": 0.5, "accuracy_low": 0.25, "accuracy_high": 0.75}
    for name in ("train_aug", "ensemble", "distill_static", "distill_float"):
        (run / f"metrics/{name}.json").write_text(json.dumps(scores))
    trained(run, "ablation", arch="resnet50", input_size=96, epochs=5, weights="imagenet")
    text = results.results(params.read())
    (line,) = lines(text, "| `train_aug` |")
    assert line == "| `train_aug` | resnet50, ImageNet, 96 px | 50.00 | 25.00 to 75.00 | 5 | 95.84 |"
    assert lines(text, "| `ensemble` |") == ["| `ensemble` |  | 50.00 | 25.00 to 75.00 |  | 97.27 |"]
    assert lines(text, "| `distill_static` |")[0] == "| `distill_static` |  | 50.00 | 25.00 to 75.00 |  |  |"
    assert len(lines(text, "| `distill_float` |")) == 1  # among the ONNX files alone


def test_recipes_are_those_that_ran_whatever_params_say_now(run):
    before = results.results(params.read())
    text = (run / "params.yaml").read_text()
    (run / "params.yaml").write_text(
        text.replace("  epochs: 3\n", "  epochs: 77\n").replace("arch: resnet18", "arch: resnet50")
    )
    assert params.read().ablation.epochs == 77
    assert results.results(params.read()) == before


def test_every_image_size_is_named_in_order(run):
    trained(run, "baseline", input_size=32)
    trained(run, "effnet", input_size=224)
    assert " 224 px. One run, seed" in results.results(params.read())


def test_what_networks_start_from_follows_the_recipes(run):
    groups = params.read().ladder.recipes
    for group in groups:
        trained(run, group, weights="scratch")
    assert "Networks: random initial weights, " in results.results(params.read())
    trained(run, "effnet", weights="imagenet")
    assert "Networks: ImageNet weights or random initial ones, by rung, " in results.results(params.read())
    for group in groups:
        trained(run, group, weights="imagenet")
    assert "Networks: ImageNet weights, " in results.results(params.read())


def test_a_lock_without_a_rung_is_refused(run):
    (run / "dvc.lock").write_text("stages: {}\n")
    with pytest.raises(InputError, match=r"dvc\.lock does not record how each rung was trained \('train_baseline'\)"):
        results.results(params.read())


def test_an_auroc_that_does_not_exist_is_none(run):
    measured = json.loads((run / "metrics/uncertainty.json").read_text())
    del measured["teacher_single_auroc"]
    (run / "metrics/uncertainty.json").write_text(json.dumps(measured))
    (line,) = lines(results.results(params.read()), f"| `{params.read().uncertainty.teacher}` | one pass")
    assert line.endswith(" | none |")


def test_a_preset_without_its_head_is_refused(run):
    (run / "presets/mine.yaml").write_text("# What for: mine\n# Measured:\n")
    with pytest.raises(InputError, match=r"presets/mine\.yaml has no line `# Budget: \.\.\.` in its head"):
        results.presets()


@pytest.mark.parametrize(
    "path", ["metrics/train_se.json", "plots/report/comparisons.csv", "plots/benchmark/machine.csv"]
)
def test_a_missing_result_is_named(run, path):
    (run / path).unlink()
    with pytest.raises(InputError, match=rf"{path} (is missing|cannot be read .*): `dvc repro` makes it"):
        results.results(params.read())
