"""README's sections, of the tracked run and with parts of it changed."""

import json
import shutil

import pytest

from imports import ROOT
from ladder import params
from ladder.core.errors import InputError
from ladder.reporting import results


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A copy of the tracked results in the current folder."""
    for folder in ("metrics", "plots/report", "plots/benchmark", "presets"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("params.yaml", "ladder.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(text: str, beginning: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginning)]


def test_a_rung_has_its_figures(run):
    scores = {"accuracy": 0.5, "accuracy_low": 0.25, "accuracy_high": 0.75}
    for name in ("train_aug", "ensemble", "distill_static", "distill_float"):
        (run / f"metrics/{name}.json").write_text(json.dumps(scores))
    p = params.read()
    text = results.results(p)
    assert lines(text, "| `train_aug` |") == [f"| `train_aug` | 50.00 | 25.00 to 75.00 | {p.ablation.epochs} | 95.84 |"]
    assert lines(text, "| `ensemble` |") == ["| `ensemble` | 50.00 | 25.00 to 75.00 |  | 97.27 |"]
    assert lines(text, "| `distill_static` |")[0] == "| `distill_static` | 50.00 | 25.00 to 75.00 |  |  |"
    assert len(lines(text, "| `distill_float` |")) == 1  # among the ONNX files alone


def test_every_image_size_is_named_in_order(run):
    p = params.read()
    larger = p.model_copy(update={"effnet": p.effnet.model_copy(update={"input_size": 224})})
    assert " 32 px and 224 px. One run, seed" in results.results(larger)


def test_what_networks_start_from_follows_the_recipes(run):
    p = params.read()
    assert "Networks: random initial weights, " in results.results(p)
    mixed = p.model_copy(update={"effnet": p.effnet.model_copy(update={"weights": "imagenet", "stem": None})})
    assert "Networks: ImageNet weights or random initial ones, by rung, " in results.results(mixed)
    groups = {
        group: getattr(p, group).model_copy(update={"weights": "imagenet", "stem": None}) for group in p.ladder.recipes
    }
    assert "Networks: ImageNet weights, " in results.results(p.model_copy(update=groups))


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
