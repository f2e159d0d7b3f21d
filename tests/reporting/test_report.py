"""report.md: every number against its source, a text for every rung; and the files of the stage."""

import base64
import dataclasses
import importlib.util
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imports import ROOT
from ladder import params, presets
from ladder.core.artifacts import files, predictions, splits
from ladder.core.errors import InputError
from ladder.core.types import Part, Predictions, Split
from ladder.drawing import ladder_plots
from ladder.reporting import markdown, page, report, seeds
from ladder.scoring import ladder, scores
from loaded import packages
from made import CLASSES, LADDER, TEST, made_models, save_data_tables, save_sweep

SCRIPT = ROOT / "stages/report.py"


@pytest.fixture
def models(workspace) -> dict[str, Predictions]:
    """Predictions and test images, as the stages before would have left them."""
    made, answers = made_models(), LADDER.answers()
    for name, model in made.items():
        predictions.save(answers[name], model)
    save_test(TEST)
    save_doubts()
    return made


def save_doubts() -> None:
    """What `uncertainty` leaves for the page."""
    row = {"model": "distill", "method": "one pass"} | dict.fromkeys(report.MEASURES, 0.5)
    files.write_csv(report.DOUBTS, pd.DataFrame([row, row | {"model": "ensemble", "method": "vote", "auroc": None}]))
    save_data_tables()
    save_sweep("cifar10_jpeg")
    for path in map(Path, report.shown("plots")):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), "white").save(path)


def save_test(test: Part) -> None:
    """A split with these test images."""
    splits.save("data/split", Split(test, test, test, CLASSES, (0.5,) * 3, (0.25,) * 3, "digits", "0" * 64))


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


# --- report.md


def test_the_text_says_what_recipes_differ_in(tiny):
    recipes = {name: tiny.recipe(tiny.ladder.rungs[name].recipe) for name in ("train_baseline", "train_noaug")}
    same = recipes | {"train_noaug": recipes["train_baseline"]}
    assert report.unlike("train_noaug", same) == "the same recipe as `train_baseline`"
    longer = recipes["train_baseline"].model_copy(update={"epochs": 99})
    said = report.unlike("train_noaug", recipes | {"train_noaug": longer})
    assert said == f"the recipe of `train_baseline` but for epochs 99, not {recipes['train_baseline'].epochs}"
    other = longer.model_copy(update={"lr": 0.5, "weight_decay": 0.5})
    said = report.unlike("train_noaug", recipes | {"train_noaug": other})
    assert said == "another recipe than `train_baseline` in epochs, lr, weight_decay"
    assert report.unlike("train_effnet", recipes) == ""


def test_own_images_are_told_of_with_their_classes_and_private_pictures(cfg):
    own = cfg.model_copy(update={"data": cfg.data.model_copy(update={"pictures": "private"})})
    text = written(made_models("image_folder"), own)
    assert "numbers of their validation and test images: red (10, 40), green (10, 40), blue (10, 40)." in text
    assert "](private/report/fixed.png)" in text
    assert "plots/report/fixed.png" not in text
    assert "Warning" not in text
    assert "a better recipe" not in text


def test_a_student_is_small_only_beside_its_teacher(cfg):
    """Of one's own images it has the network of its teacher."""
    models = made_models("image_folder")
    for name, parameters, said in (("train_student", 1000, "a small network"), ("train_effnet", 10, "for images of")):
        rung = models[name]
        models[name] = dataclasses.replace(rung, provenance=rung.provenance | {"parameters": parameters})
        taught = cfg.model_copy(update={"distill": cfg.distill.model_copy(update={"teacher": "train_effnet"})})
        (row,) = [line for line in written(models, taught).splitlines() if "taught by the labels alone" in line]
        assert said in row


def test_a_model_that_answers_one_class_is_warned_of(cfg):
    models = made_models("image_folder")
    test = models["train_baseline"].test
    stuck = dataclasses.replace(test, logits=np.tile(np.float32([2, 1, 0]), (len(test), 1)))
    models["train_baseline"] = dataclasses.replace(models["train_baseline"], test=stuck)
    assert "- **Warning**: `train_baseline` answers red for every image." in written(models, cfg)


AUGMENTED = {name for name, rung in LADDER.rungs.items() if "aug" in rung.reads}


def written(models: dict[str, Predictions], cfg: report.Settings, augmented=AUGMENTED) -> str:
    measured = {name: scores.headline(model, cfg.evaluate) for name, model in models.items()}
    choices = {"confidence": cfg.report.confidence, "samples": cfg.report.bootstrap_samples, "seed": cfg.seed}
    return report.text(report.values(models, measured, ladder.compare(models, **choices), cfg, augmented))


def test_every_number_is_that_of_its_source(stage, models, workspace):
    stage.main()
    found = tables((workspace / "report.md").read_text(encoding="utf-8"))
    rows = found["The ladder"]
    assert [row["rung"].strip("`") for row in rows] == list(LADDER.ladder)
    for row in rows:
        name = row["rung"].strip("`")
        values = scores.headline(models[name], params.read().evaluate)
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
    text = written(made_models(), cfg)
    assert "The pixels alone seem to cost about three points" in text
    rows = tables(text)["Beside the reference"]
    assert [row["rung"].strip("`") for row in rows] == [name for name in LADDER.ladder if name in report.REFERENCE]
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
    assert rows[2]["what differs here"] == "none of pixels, weights, image size, architecture"
    by_rung = {row["rung"].strip("`"): row["what differs here"] for row in rows}
    assert by_rung["ensemble"].endswith("resnet18 + resnet18 for resnet18 + efficientnet_b0")
    assert "three points" not in written(models, cfg), "it says so of the copy alone"


@pytest.mark.parametrize("source", ["digits", "image_folder"])
def test_other_images_have_no_reference(cfg, source):
    text = written(made_models(source), cfg)
    assert "reference" not in text.lower()
    assert {"digits": "handwritten digits", "image_folder": "a folder of one's own images"}[source] in text


def test_every_rung_is_explained(cfg):
    rows = {row["rung"].strip("`"): row for row in tables(written(made_models(), cfg))["The rungs"]}
    assert list(rows) == list(LADDER.ladder)
    assert "turned by up to 10 degrees" in rows["train_aug"]["what it is"]
    assert "logits of `train_resnet` (0.500), `train_effnet` (0.500)" in rows["ensemble"]["what it is"]
    assert rows["ensemble"]["architecture"] == "resnet18 + resnet18"
    assert "`train_effnet`" in rows["distill"]["what it is"]


def test_a_rung_that_has_no_text_of_its_own_is_described(cfg):
    models = made_models()
    for name in ("train_mine", "mine_static"):  # no `mine` is there, so this one is no file of it
        models[name] = models["train_aug"]
    models["train_mine_dynamic"] = models["train_aug"]
    augmented = {"train_mine", "mine_static"}
    rows = {row["rung"].strip("`"): row for row in tables(written(models, cfg, augmented))["The rungs"]}
    assert rows["train_mine"]["what it is"] == rows["mine_static"]["what it is"] == "resnet18, on augmented images"
    assert rows["train_mine_dynamic"]["what it is"].startswith("`train_mine` as an ONNX file with int8 weights in")
    off = cfg.model_copy(update={"aug": cfg.aug.model_copy(update={"enabled": False})})
    rows = {row["rung"].strip("`"): row for row in tables(written(models, off, augmented))["The rungs"]}
    assert rows["train_mine"]["what it is"] == "resnet18, without augmentation"


def test_augmentation_names_what_is_not_zero(cfg):
    aug = cfg.aug.model_copy(update={"hflip": 0.5, "crop_padding": 0, "rotation": 0.0, "cutout": 8})
    aug = aug.model_copy(update={"color_jitter": aug.color_jitter.model_copy(update={"hue": 0.1})})
    rows = tables(written(made_models(), cfg.model_copy(update={"aug": aug})))["The rungs"]
    assert rows[2]["what it is"].endswith(
        "every epoch: mirrored with probability 0.5, varied in color, with a square of 8 px blanked"
    )
    still = {"hflip": 0.0, "crop_padding": 0, "rotation": 0.0, "cutout": 0}
    still["color_jitter"] = aug.color_jitter.model_copy(update={"hue": 0.0})
    nothing = cfg.model_copy(update={"aug": aug.model_copy(update=still)})
    assert tables(written(made_models(), nothing))["The rungs"][2]["what it is"].endswith(
        "by nothing, every transform is at 0"
    )


def test_tables_are_whole(cfg):
    """Each row has as many cells as its header: no line of a template is broken within one."""
    text = written(made_models(), cfg)
    widths = [line.count(" | ") for line in text.splitlines() if line.startswith("|")]
    assert len(set(widths)) == 5  # tables of 2, 4, 5, 7 and 9 columns
    assert all(line.endswith(" |") for line in text.splitlines() if line.startswith("|"))
    assert "\n\n\n" not in text
    assert text.endswith(" |\n")
    assert not re.search(r"[{}]", text)


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
    assert "Initial weights" not in end, "all are from scratch"


def test_pretrained_weights_are_named_once_with_their_digest(cfg):
    models = made_models()
    for name in ("train_resnet", "train_se"):
        found = {"weights": "timm/resnet18.a1_in1k", "weights_sha256": "cd" * 32}
        models[name] = dataclasses.replace(models[name], provenance=models[name].provenance | found)
    text = written(models, cfg)
    assert text.count(f"- Initial weights: timm/resnet18.a1_in1k, sha256 `{'cd' * 32}`\n") == 1
    rungs = {row["rung"].strip("`"): row["initial weights"] for row in tables(text)["The rungs"]}
    assert (rungs["train_se"], rungs["train_aug"]) == ("timm/resnet18.a1_in1k", "scratch")


# --- the stage

PICTURES = {f"plots/report/{name}.png" for name in ("ladder", "classes", "confused", "fixed", "broken")}
OUTPUTS = PICTURES | {"metrics/report.json", "report.md", "report.html", "plots/report/comparisons.csv"}


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
    save_test(dataclasses.replace(TEST, ids=TEST.ids + 1))
    with pytest.raises(InputError, match=r"data/split/test holds other images"):
        stage.main()
    assert not (workspace / "report.md").exists()


def test_models_of_another_split_are_refused(stage, models):
    other = dataclasses.replace(models["distill"].test, ids=models["distill"].test.ids + 1)
    predictions.save("predictions/trained/distill.npz", dataclasses.replace(models["distill"], test=other))
    with pytest.raises(InputError, match=r"the predictions of train_baseline and distill differ"):
        stage.main()


def test_a_template_that_changes_meanwhile_is_refused(stage, models, workspace, monkeypatch):
    templates = workspace / "templates"
    shutil.copytree(markdown.TEMPLATES, templates)
    monkeypatch.setattr(markdown, "TEMPLATES", templates)
    draw = ladder_plots.classes

    def edit(*args):
        draw(*args)
        (templates / "report.md.j2").write_text("another text")

    monkeypatch.setattr(ladder_plots, "classes", edit)
    with pytest.raises(InputError, match=r"templates changed while report ran"):
        stage.main()
    assert not (workspace / "report.md").exists()


def test_the_script_runs_without_torch(models):
    imported = packages(SCRIPT)
    assert {"ladder", "numpy", "scipy", "matplotlib"} <= imported
    assert not {"torch", "timm", "sklearn"} & imported


# --- report.html


class Page(HTMLParser):
    """Tables as rows of cells, sources of pictures, and all text."""

    def __init__(self, html: str):
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.pictures: list[str] = []
        self.names: list[str] = []
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True
        elif tag == "img":
            self.pictures.append(dict(attrs)["src"])

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data):
        if self._cell:
            self.tables[-1][-1][-1] += data


def test_the_page_says_what_the_text_says_and_holds_its_pictures(stage, models, workspace):
    stage.main()
    html = (workspace / "report.html").read_text(encoding="utf-8")
    shown_page, text = Page(html), (workspace / "report.md").read_text(encoding="utf-8")
    shown = [[cell for row in table[1:] for cell in row] for table in shown_page.tables]
    for rows in tables(text).values():
        assert not rows or [re.sub("[`*]", "", cell) for row in rows for cell in row.values()] in shown
    files_shown = [f"plots/report/{name}.png" for name in ("ladder", "classes", "confused", "fixed", "broken")]
    inside = {base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in shown_page.pictures}
    assert inside == {(workspace / path).read_bytes() for path in (*files_shown, *report.shown("plots"))}
    assert not re.search(r"(src|href)=\"(?!data:|#|benchmark\.html)", html), "it needs no other file, and no network"


def test_seeds_are_told_of_where_they_are_of_the_same_images(stage, models, workspace):
    stage.main()
    heading, several = "Several seeds: which methods differ", "takes several seeds of each, as below."
    for path in ("report.md", "report.html"):
        assert heading not in (workspace / path).read_text(encoding="utf-8"), "they are of other images"
    assert several not in (workspace / "report.md").read_text(encoding="utf-8")
    save_sweep("digits")
    stage.main()
    text = (workspace / "report.md").read_text(encoding="utf-8")
    assert several in text
    assert tables(text)[heading] == [{"rung": "`train_se`", "seeds": "2"}]
    html = Page((workspace / "report.html").read_text(encoding="utf-8"))
    assert [["rung", "seeds"], ["train_se", "2"]] in html.tables
    picture = base64.b64encode((workspace / seeds.PICTURE).read_bytes()).decode()
    assert f"data:image/png;base64,{picture}" in html.pictures


def test_seeds_that_cannot_be_read_are_refused(models, workspace):
    (workspace / seeds.TEXT).unlink()
    assert seeds.text("digits") == "", "not asked for"
    with pytest.raises(InputError, match=r"sweep\.md cannot be read .*: `make sweep OUT=docs/seeds` makes it"):
        seeds.text("cifar10_jpeg")
    (workspace / seeds.TABLE).write_text("rung,seed\ntrain_se,0\n")
    with pytest.raises(InputError, match=r"has no column source: `make sweep OUT=docs/seeds` makes it anew"):
        seeds.text("cifar10_jpeg")


def test_the_page_says_what_the_data_hold_and_what_corruptions_cost(stage, models, workspace):
    stage.main()
    html = (workspace / "report.html").read_text(encoding="utf-8")
    shown = [table for table in Page(html).tables if table[0][0] in ("part", "corruption")]
    assert shown == [
        [["part", "images", "again in", "equal", "equal or nearly so", "share (%)"],
         ["test", "1,200", "train", "3", "30", "2.50"], ["test", "1,200", "val", "3", "6", "0.50"]],
        [["corruption", "strength", "train_noaug", "train_aug"],
         ["none", "0", "72.00", "73.00"], ["noise", "0.06", "61.00", "71.50"]],
    ]  # fmt: skip
    assert "on 2,000 test images" in html
    assert "wider than 4.00 points" in html


def test_classes_and_confusions_are_those_of_the_tracked_files(stage, models, workspace):
    stage.main()
    found = Page((workspace / "report.html").read_text(encoding="utf-8")).tables
    for name in ("train_effnet", "distill_static"):  # the best on validation, and the student as it is deployed
        logits, labels = models[name].test.logits, models[name].test.labels
        columns = scores.per_class(logits, labels, params.read().evaluate.confidence)
        rows = [
            [name, f"{n}", f"{right}", f"{100 * a:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"]
            for name, n, right, a, low, high in zip(CLASSES, *columns.values(), strict=True)
        ]
        assert rows in [table[1:] for table in found]
        counts = [[str(n or "") for n in row] for row in scores.confusion(logits, labels)]
        assert [[name, *row] for name, row in zip(CLASSES, counts, strict=True)] in [table[1:] for table in found]


def test_names_of_classes_are_text(cfg, models, workspace, stage):
    stage.main()  # for the pictures
    evil = tuple(f"<script>alert('{name}')</script>|*" for name in CLASSES)
    renamed = {name: dataclasses.replace(model, classes=evil) for name, model in models.items()}
    measured = {name: scores.headline(model, cfg.evaluate) for name, model in renamed.items()}
    compared = ladder.compare(renamed, confidence=0.95, samples=10, seed=0)
    shown = Page(report.html(report.values(renamed, measured, compared, cfg, set()), renamed))
    assert shown.names.count("script") == 1
    assert any(row and row[0] == evil[0] for table in shown.tables for row in table)


def test_a_matrix_of_many_classes_is_left_to_its_file():
    model = {"name": "a", "classes": [str(i) for i in range(26)], "counts": []}
    shown = markdown._ENVIRONMENT.get_template("matrix.md.j2").module.table(model)
    assert "see `plots/a/confusion.csv`" in shown


def test_a_missing_picture_is_named(models, workspace):
    with pytest.raises(InputError, match=r"the picture nowhere\.png cannot be read .*`dvc repro` makes it"):
        page.html("![what it shows](nowhere.png)")


def test_a_page_of_own_images_is_not_for_git(workspace):
    presets.apply("own_images")
    named = params.read().report.page
    assert f"/{named}" in (ROOT / ".gitignore").read_text().splitlines()
    assert "/report.html" not in (ROOT / ".gitignore").read_text().splitlines()
