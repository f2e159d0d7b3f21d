"""A rung is added with a group of params, a stage in dvc.yaml and one entry in ladder.yaml, and nothing else."""

import pytest

import pipeline
from dvcfile import STAGES

STAGE = """\
  train_wide:
    desc: A rung that a test adds
    cmd: ${python} stages/train.py train_wide
    deps: [data/split, data/weights/train_wide, stages/train.py, src/ladder/core, src/ladder/training]
    params: [seed, hardware, model, wide, aug]
    outs: [models/train_wide, predictions/trained/train_wide.npz]
    plots: [plots/train_wide/history.csv: {cache: false}, plots/train_wide/machine.csv: {cache: false}]

"""
ENTRY = "  train_wide: {made: trained, recipe: wide, reads: [aug]}\n"


@pytest.mark.slow
def test_a_new_rung_is_trained_evaluated_reported_and_may_be_member_and_teacher(tmp_path):
    made = pipeline.create(tmp_path)
    text = (tmp_path / "params.yaml").read_text()
    group = text[text.index("\neffnet:") : text.index("\nstudent:")].replace("effnet:", "wide:").rstrip()
    (tmp_path / "params.yaml").write_text(text.rstrip() + "\n" + group + "\n")
    text = (tmp_path / "dvc.yaml").read_text()
    (tmp_path / "dvc.yaml").write_text(text.replace("  train_student:\n", STAGE + "  train_student:\n", 1))
    text = (tmp_path / "ladder.yaml").read_text()
    (tmp_path / "ladder.yaml").write_text(text.replace("  train_student:", ENTRY + "  train_student:", 1))

    made.run(
        "dvc", "exp", "run", "-S", "ensemble.members=[train_wide,train_resnet]", "-S", "distill.teacher=train_wide"
    )
    assert set(made.lock()) == {*STAGES, "train_wide", "weights@train_wide", "evaluate@train_wide"}
    report = (tmp_path / "report.md").read_text()
    assert "| `train_wide` | test_efficientnet, on augmented images |" in report
    assert "`train_wide` (0.500)" in report, "it is a member of the ensemble"
    assert "taught by the answers of `train_wide` too" in report
    assert "metrics/train_wide.json" in made.run("dvc", "metrics", "show")

    output = made.run("dvc", "exp", "run", "-S", "ensemble.members=[train_wid]", "ensemble", check=False)
    assert "no training stage is named 'train_wid'; did you mean train_wide" in output
