"""The report: comparisons by hand, every number in report.md against its source, pictures and the stage's files."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from scipy import stats

from conftest import colored
from imports import ROOT, SRC
from ladder import params
from ladder.core.artifacts import predictions
from ladder.core.errors import InputError
from ladder.core.types import Logits, Predictions
from ladder.drawing import plots
from ladder.reporting import report
from ladder.scoring import comparisons, ensembling, metrics, scores

SCRIPT = ROOT / "stages/report.py"
CLASSES = ("red", "green", "blue")
TEST = colored(40, 200, seed=3)  # 120 images
WRONG = {
    "train_baseline": range(0, 60),
    "train_noaug": range(0, 40),
    "train_aug": range(30, 44),
    "train_resnet": range(0, 10),
    "train_se": range(2, 12),
    "train_effnet": range(8, 16),
    "train_student": range(0, 45),
    "distill": range(0, 40),
    "distill_float": range(0, 40),
    "distill_dynamic": range(0, 41),
    "distill_static": range(0, 46),
    "train_resnet_float": range(0, 10),
    "train_resnet_dynamic": range(0, 10),
    "train_resnet_static": range(0, 10),
}
VAL_WRONG = {"train_resnet": range(0, 5), "train_effnet": range(0, 3)}  # the ensemble's members: the second is better


def answered(labels: np.ndarray, wrong, first_id: int, sure: float = 0.8) -> Logits:
    """Right with probability `sure`, but on the images in `wrong`, which are taken for the next class."""
    given = labels.copy()
    given[list(wrong)] = (given[list(wrong)] + 1) % 3
    logits = np.log(np.where(np.eye(3)[given] == 1, sure, (1 - sure) / 2)).astype(np.float32)
    return Logits(logits, labels, np.arange(first_id, first_id + len(labels)))


def made_models(source: str = "cifar10_jpeg") -> dict[str, Predictions]:
    about = {
        "source": source,
        "source_digest": "ab" * 32,
        "arch": "resnet18",
        "parameters": 11_173_962,
        "weights": "scratch",
        "input_size": 32,
        "epochs": 7,
    }
    models = {
        name: Predictions(
            answered(np.arange(30) % 3, VAL_WRONG.get(name, range(10)), 0),
            answered(TEST.labels, wrong, 200, sure=0.7 if name == "train_effnet" else 0.8),
            CLASSES,
            about,
        )
        for name, wrong in WRONG.items()
    }
    members = {name: models[name] for name in VAL_WRONG}
    models["ensemble"] = ensembling.vote(members, "logits", "equal")
    return {name: models[name] for name in report.LADDER}


@pytest.fixture
def models(workspace) -> dict[str, Predictions]:
    """Predictions, metrics and test images, as the stages before would have left them."""
    made, evaluate = made_models(), params.read().evaluate
    for name, model in made.items():
        predictions.save(f"predictions/{name}.npz", model)
        metrics.save(name, scores.headline(model, evaluate))
    (workspace / "data/split").mkdir(parents=True)
    np.savez(workspace / "data/split/test.npz", images=TEST.images, labels=TEST.labels, ids=TEST.ids)
    return made


@pytest.fixture
def cfg(tiny) -> report.Settings:
    return report.settings(tiny)


@pytest.fixture
def stage():
    spec = importlib.util.spec_from_file_location("report_stage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """Heading -> rows of the table below it: column -> cell."""
    found = {}
    for section in text.split("\n## ")[1:]:
        lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
        found[section.splitlines()[0]] = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]] if lines else []
    return found


# --- comparisons


def test_steps_are_compared_by_hand(cfg):
    found = report.compare(made_models(), cfg)
    compared = report.table(found)
    assert compared[["first", "second", "only_a", "only_b"]].to_numpy().tolist() == [
        ["train_aug", "train_noaug", 30, 4],  # 0-29 fixed, 40-43 broken
        ["train_se", "train_resnet", 2, 2],
        ["ensemble", "train_effnet", 6, 8],  # as train_resnet, which is surer: right on 10-15, wrong on 0-7
        ["distill", "train_student", 5, 0],
        ["distill_static", "distill_float", 0, 6],
        ["train_resnet_static", "train_resnet_float", 0, 0],
    ]
    assert compared["difference"].tolist() == pytest.approx([26 / 120, 0, -2 / 120, 5 / 120, -6 / 120, 0], abs=1e-12)
    p = [stats.binomtest(4, 34).pvalue, 1, stats.binomtest(6, 14).pvalue, 2 / 2**5, 2 / 2**6, 1]
    assert compared["p_value"].tolist() == pytest.approx(p)
    assert compared["adjusted_p"].tolist() == pytest.approx([6 * p[0], 1, 1, 4 * p[3], 5 * p[4], 1])
    assert compared["verdict"].tolist() == [
        "these two trained models differ: the first is more accurate",
        *["not distinguishable on 120 images"] * 5,  # 0.03 alone, 0.16 as one of six
    ]
    assert report.headline(found) == {
        "augmentation_difference": 26 / 120,
        "se_difference": 0.0,
        "ensemble_difference": -2 / 120,
        "distillation_difference": 5 / 120,
        "int8_distill_difference": -6 / 120,
        "int8_train_resnet_difference": 0.0,
    }


def test_interval_is_that_of_the_params(cfg):
    models = made_models()
    row = report.compare(models, cfg)[0]
    expected = comparisons.compare(
        report.correct(models["train_aug"]),
        report.correct(models["train_noaug"]),
        confidence=cfg.report.confidence,
        samples=cfg.report.bootstrap_samples,
        seed=cfg.seed,
    )
    assert row.result == expected


def test_only_pairs_that_are_there_are_compared_and_corrected_for(cfg):
    models = {name: model for name, model in made_models().items() if name.startswith("train_")}
    for name in ("train_student", "train_resnet_static"):
        del models[name]
    compared = report.compare(models, cfg)
    assert [row.step.name for row in compared] == ["augmentation", "se"]
    assert compared[0].adjusted_p == pytest.approx(2 * stats.binomtest(4, 34).pvalue)


def test_the_best_member_is_chosen_on_validation():
    models = made_models()
    step = next(step for step in report.steps(models) if step.name == "ensemble")
    assert step.second == "train_effnet"
    worse = dataclasses.replace(models["train_effnet"], val=answered(np.arange(30) % 3, range(9), 0))
    assert next(s for s in report.steps(models | {"train_effnet": worse}) if s.name == "ensemble").second == (
        "train_resnet"
    )


def test_flipped_images_are_those_that_one_gets_right(cfg):
    models = made_models()
    fixed, total = report.only_right(models["train_aug"], models["train_noaug"], cfg.seed, 25)
    assert total == 30
    assert len(fixed) == 25
    assert set(fixed) < set(range(30))
    assert fixed.tolist() == sorted(fixed)
    broken, total = report.only_right(models["train_noaug"], models["train_aug"], cfg.seed, 25)
    assert (broken.tolist(), total) == ([40, 41, 42, 43], 4)


def test_confused_pairs_by_hand():
    models = {name: made_models()[name] for name in ("train_baseline", "train_noaug")}
    # Labels are 40 of each class in order, and wrong answers the next class: 0-39 red for green, 40-59 green for blue.
    pairs, counts = report.confused(models, by="train_baseline")
    assert pairs == ["red → green", "green → blue"]
    assert [count.tolist() for count in counts] == [[40, 20], [40, 0]]


def test_class_accuracies_by_hand():
    models = {name: made_models()[name] for name in ("train_baseline", "train_noaug")}
    np.testing.assert_allclose(report.class_accuracies(models), [[0, 0.5, 1], [0, 1, 1]])


# --- report.md


def written(models: dict[str, Predictions], cfg: report.Settings) -> str:
    measured = {name: scores.headline(model, cfg.evaluate) for name, model in models.items()}
    return report.text(models, measured, report.compare(models, cfg), cfg)


def test_every_number_is_that_of_its_source(stage, models, workspace):
    stage.main()
    found = tables((workspace / "report.md").read_text(encoding="utf-8"))
    rows = found["The ladder"]
    assert [row["rung"].strip("`") for row in rows] == list(report.LADDER)
    for row in rows:
        name = row["rung"].strip("`")
        values = json.loads((workspace / f"metrics/{name}.json").read_text())
        about = models[name].provenance
        assert row == {
            "rung": f"`{name}`",
            "accuracy (%)": f"{100 * values['accuracy']:.2f}",
            "95% interval (%)": f"{100 * values['accuracy_low']:.2f} to {100 * values['accuracy_high']:.2f}",
            "NLL (nats)": f"{values['nll']:.4f}",
            "ECE": f"{values['ece']:.4f}",
            "parameters": f"{about['parameters']:,}",
            "epochs": str(about["epochs"]),
        }

    rows = found["Step by step: which models differ"]
    compared = pd.read_csv(workspace / "plots/report/comparisons.csv")
    saved = json.loads((workspace / "metrics/report.json").read_text())
    assert len(rows) == len(compared) == len(saved)
    for row, (_, csv), difference in zip(rows, compared.iterrows(), saved.values(), strict=True):
        assert (row["first"], row["second"]) == (f"`{csv['first']}`", f"`{csv['second']}`")
        assert row["difference"] == f"{100 * csv['difference']:+.2f}" == f"{100 * difference:+.2f}"
        assert row["95% interval"] == f"{100 * csv['low']:+.2f} to {100 * csv['high']:+.2f}"
        assert row["only one right"] == f"{csv['only_a']} / {csv['only_b']}"
        assert float(row["p"]) == pytest.approx(csv["p_value"], rel=0.5, abs=0.0005)
        assert float(row["p (Holm)"]) == pytest.approx(csv["adjusted_p"], rel=0.5, abs=0.0005)
        assert row["verdict"] == csv["verdict"]


def test_cifar_stands_beside_the_reference(cfg):
    rows = tables(written(made_models(), cfg))["Beside the reference"]
    assert [row["rung"].strip("`") for row in rows] == [name for name in report.LADDER if name in report.REFERENCE]
    assert rows[2] == {
        "rung": "`train_aug`",
        "here (%)": f"{100 * 106 / 120:.2f}",
        "reference (%)": "95.84",
        "what differs here": "JPEG re-encoded pixels, random initial weights, 32 px",
    }


def test_what_differs_from_the_reference_follows_provenance(cfg):
    models = made_models("cifar10")
    like = models["train_aug"].provenance | {"weights": "resnet18.a1_in1k", "input_size": 224}
    models["train_aug"] = dataclasses.replace(models["train_aug"], provenance=like)
    rows = tables(written(models, cfg))["Beside the reference"]
    assert rows[1]["what differs here"] == "random initial weights, 32 px"
    assert rows[2]["what differs here"] == "none of pixels, weights, image size"


@pytest.mark.parametrize("source", ["digits", "image_folder"])
def test_other_images_have_no_reference(cfg, source):
    text = written(made_models(source), cfg)
    assert "reference" not in text.lower()
    assert report.SOURCES[source] in text


def test_every_rung_is_explained(cfg):
    rows = {row["rung"].strip("`"): row for row in tables(written(made_models(), cfg))["The rungs"]}
    assert list(rows) == list(report.LADDER)
    assert "turned by up to 10 degrees" in rows["train_aug"]["what it is"]
    assert "logits of `train_resnet` (0.500), `train_effnet` (0.500)" in rows["ensemble"]["what it is"]
    assert rows["ensemble"]["architecture"] == "resnet18 + resnet18"
    assert "`train_effnet`" in rows["distill"]["what it is"]


def test_without_augmentation_it_says_so(cfg):
    off = cfg.model_copy(update={"aug": cfg.aug.model_copy(update={"enabled": False})})
    rows = {row["rung"].strip("`"): row for row in tables(written(made_models(), off))["The rungs"]}
    assert "the same run: augmentation is off" in rows["train_aug"]["what it is"]
    assert "without augmentation" in rows["train_resnet"]["what it is"]


def test_provenance_and_versions_stand_at_the_end(cfg):
    text = written(made_models(), cfg)
    end = text[text.index("## Where this comes from") :]
    assert "ab" * 32 in end
    assert "30 validation and 120 test images of 3 classes" in end
    versions = {row["package"]: row["version"] for row in tables("\n" + end)["Where this comes from"]}
    assert versions["numpy"] == np.__version__
    assert set(versions) == {"Python", *report.PACKAGES}


# --- pictures


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_ladder_shows_names_and_percent(tmp_path):
    values = np.array([0.5, 0.8234])
    figure = plots.ladder(tmp_path / "a.png", ["one", "two"], values, values - 0.01, values + 0.01, "Title\nmore")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["one", "two"]
    assert {"50.00", "82.34"} <= set(texts(figure))
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]  # the first on top


@pytest.mark.parametrize(("classes", "cells"), [(3, 5), (25, 49), (26, 0), (70, 0)])
def test_class_accuracies_are_written_where_they_can_be_read(tmp_path, classes, cells):
    accuracy = np.full((2, classes), 0.9)
    accuracy[0, 0] = np.nan  # a class without images
    names = [f"class {i}" for i in range(classes)]
    figure = plots.class_accuracies(tmp_path / "a.png", accuracy, ["one", "two"], names, "Title\nmore")
    assert [text for text in texts(figure) if text == "90"] == ["90"] * cells


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_class_accuracies_may_all_be_equal(tmp_path, accuracy):
    plots.class_accuracies(tmp_path / "a.png", np.full((1, 2), accuracy), ["one"], ["cat", "dog"], "Title")


@pytest.mark.parametrize("pairs", [0, 1, 10])
def test_confused_pairs_are_labelled(tmp_path, pairs):
    names = [f"{i} → x" for i in range(pairs)]
    counts = [np.arange(pairs), np.arange(pairs) + 100]
    figure = plots.confused_pairs(tmp_path / "a.png", names, counts, ["one", "two"], "Title\nmore")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    assert {str(i + 100) for i in range(pairs)} <= set(texts(figure))


@pytest.mark.parametrize("count", [0, 1, 7, 25])
def test_contact_sheet_shows_each_image_and_caption(tmp_path, count):
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
    captions = [f"cat\nwithout: dog {i}" for i in range(count)]
    figure = plots.contact_sheet(tmp_path / "a.png", images, captions, "Title\nmore")
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(shown) == count
    for image, drawn in zip(images, shown, strict=True):
        np.testing.assert_array_equal(drawn.transpose(2, 0, 1), image)
    assert {f"without: dog {i}" for i in range(count)} <= set(texts(figure))
    assert ("none" in texts(figure)) == (count == 0)


def test_captions_do_not_touch(tmp_path):
    captions = ["golden_retriever_or_other_dog"] * 5
    figure = plots.contact_sheet(tmp_path / "a.png", np.zeros((5, 3, 8, 8), np.uint8), captions, "Title")
    renderer = figure.canvas.get_renderer()
    boxes = [axes.texts[0].get_window_extent(renderer) for axes in figure.axes if axes.images]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_enlarged_images_are_not_blurred(tmp_path):
    """A checkerboard of single pixels keeps to its two colors."""
    board = np.tile(np.indices((32, 32)).sum(0) % 2 * 255, (1, 3, 1, 1)).astype(np.uint8)
    plots.contact_sheet(tmp_path / "a.png", board, [""], "")
    with Image.open(tmp_path / "a.png") as sheet:
        gray = np.asarray(sheet.convert("L"))
    middle = gray[40:160, 60:180]
    assert np.isin(middle, [0, 255]).mean() > 0.99


# --- the stage

PICTURES = {f"plots/report/{name}.png" for name in ("ladder", "classes", "confused", "fixed", "broken")}
OUTPUTS = PICTURES | {"metrics/report.json", "report.md", "plots/report/comparisons.csv"}


def test_stage_writes_the_same_bytes_twice(stage, models, workspace, capsys):
    def run() -> dict[str, bytes]:
        stage.main()
        return {name: (workspace / name).read_bytes() for name in OUTPUTS}

    first = run()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        "train_aug - train_noaug: +21.67 points, these two trained models differ: the first is more accurate"
    )
    assert run() == first
    assert {f"plots/report/{path.name}" for path in (workspace / "plots/report").iterdir()} < OUTPUTS
    assert all(f"]({name})" in first["report.md"].decode() for name in PICTURES)
    assert str(workspace) not in first["report.md"].decode()


def test_other_test_images_are_refused(stage, models, workspace):
    np.savez(workspace / "data/split/test.npz", images=TEST.images, labels=TEST.labels, ids=TEST.ids + 1)
    with pytest.raises(InputError, match=r"data/split/test\.npz holds other images"):
        stage.main()
    assert not (workspace / "report.md").exists()


def test_models_of_another_split_are_refused(stage, models):
    other = dataclasses.replace(models["distill"].test, ids=models["distill"].test.ids + 1)
    predictions.save("predictions/distill.npz", dataclasses.replace(models["distill"], test=other))
    with pytest.raises(InputError, match=r"predictions/train_baseline\.npz and predictions/distill\.npz differ"):
        stage.main()


def test_dvc_yaml_lists_the_whole_ladder():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    deps = [dep for dep in pipeline["report"]["deps"] if not dep.endswith(".py")]
    expected = [f"{folder}/{name}.{kind}" for name in report.LADDER for folder, kind in _FILES]
    assert sorted(deps) == sorted(["data/split", *expected])
    assert pipeline["evaluate"]["foreach"] == list(report.LADDER)
    outs = {name for kind in ("outs", "metrics", "plots") for out in pipeline["report"][kind] for name in out}
    assert outs == OUTPUTS


_FILES = (("predictions", "npz"), ("metrics", "json"))


def test_the_script_runs_without_torch(models):
    """As DVC runs it; the name of each module it imports goes to stderr."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(SCRIPT)],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert {"ladder", "numpy", "scipy", "matplotlib"} <= imported
    assert not {"torch", "timm", "sklearn"} & imported
