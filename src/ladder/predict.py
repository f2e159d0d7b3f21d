"""Classify image files, or all images in folders: class, probability, runners-up, and how uncertain the model is.

python -m ladder.predict photo.jpg holiday/                     the int8 student, as a table
python -m ladder.predict holiday/ --csv > holiday.csv
python -m ladder.predict photo.jpg --model distill --samples 30 --json

The default model is the int8 student that this clone's pipeline made, else the one in release/. ONNX models run without
torch. Files that are no images or cannot be read are reported on stderr, one line each, the others classified all the
same.
Exit status: 0; 1 if a file could not be read or the answer not be written; 2 if nothing was classified for want of a
model or of a usable option; 130 if stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from ladder import given_files, predict_output
from ladder.core.errors import InputError, nearest
from ladder.core.machine import explain
from ladder.core.types import SQUASH
from ladder.images import decode
from ladder.images.names import printable
from ladder.scoring import uncertainty as us

ROOT = Path(__file__).resolve().parents[2]
OWN, RELEASED = Path("deployed/distill_static.onnx"), Path("release/student_int8.onnx")
BATCH = 64  # images; bounds memory
NAMED = 10  # classes or files in a line
SOURCES = {
    "cifar10": "CIFAR-10",
    "cifar10_jpeg": "CIFAR-10",
    "image_folder": "a folder of one's own images",
    "digits": "scikit-learn's handwritten digits",
}
SEED = 0  # of the dropout, so that an answer can be had again


@dataclass(frozen=True)
class Model:
    """`answer`: images uint8 (B, 3, size, size) -> log probabilities (T, B, C), T = 1 without samples.

    `fit`: how images are made square, as in training (`decode.fit`). `about`: which model it is, in words.
    """

    path: Path
    classes: list[str]
    size: int
    fit: str
    about: str
    answer: Callable[[np.ndarray], np.ndarray]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        model = load(find(options.model), options.samples)
        found, failures = classify(model, options.images, options.top)
    except KeyboardInterrupt:
        predict_output.tell("predict: stopped")
        return 130
    except Exception as error:
        message = str(error) if isinstance(error, InputError) else explain(error)
        if message is None:
            raise
        predict_output.tell(f"predict: {message}")
        return 2
    if options.json:
        answer = predict_output.as_json(found, str(model.path), model.about)
    elif options.csv:
        answer = predict_output.as_csv(found)
        predict_output.tell(f"predict: answered by {model.about}")
    else:
        answer = f"{predict_output.as_table(found)}\n\nanswered by {printable(model.about)}" if found else ""
    written = predict_output.write(answer)
    return 1 if failures or not written else 0


def find(name: str | None) -> Path:
    """The ONNX file or checkpoint folder that `name` means: a path, a stage, or an ONNX model of the stage `quantize`.

    None: the default model. Paths are tried from the current folder, then from the repository's top.
    Raises: InputError that says which models there are, or how to get one.
    """
    if name is None:
        tried = [ROOT / OWN, ROOT / RELEASED]
    else:
        tried = [Path(name), ROOT / name, ROOT / "models" / name]
        tried += [ROOT / folder / f"{name}.onnx" for folder in ("deployed", "release")]
    for path in tried:
        is_onnx = path.suffix == ".onnx" and os.path.isfile(path)  # unlike Path.is_file, whatever the name
        if is_onnx or os.path.isfile(path / "model.json"):
            return path
    known = sorted(Path(path).parent.name for path in glob("models/*/model.json", root_dir=ROOT))
    known += sorted(
        Path(path).stem for folder in ("deployed", "release") for path in glob(f"{folder}/*.onnx", root_dir=ROOT)
    )
    have = f"there are {', '.join(known)}" if known else "there are none yet"
    if name is None:
        raise InputError(
            f"neither {OWN} nor {RELEASED} is in {ROOT}: `dvc repro quantize` makes the first one; or choose another"
            f" model by --model ({have})"
        )
    raise InputError(f"no model {name!r} ({have}): a stage that `dvc repro` made, or a path{nearest(name, known)}")


def load(path: Path, samples: int | None = None) -> Model:
    """Open a model, with `samples` passes of Monte Carlo dropout for each image if asked for.

    Raises: InputError for a damaged one, or samples from an ONNX model, which has no dropout.
    """
    if path.suffix != ".onnx":
        return _checkpoint(path, samples)
    if samples is not None:
        raise InputError(
            f"--samples needs dropout, and {path} has none: choose a checkpoint, as --model distill once"
            " `dvc repro distill` has made it"
        )
    return _onnx(path)


def classify(model: Model, paths: Sequence[str], top: int) -> tuple[list[dict[str, Any]], int]:
    """Classify all images of `paths`; report on stderr, one by one, what cannot be read.

    Returns: one record for each image, in the order of `paths`, and the number of paths and files that failed.
    """
    found: list[dict[str, Any]] = []
    names: list[str] = []
    batch: list[np.ndarray] = []
    dark: list[str] = []
    failures = 0

    def flush() -> None:
        if batch:
            found.extend(_records(model, names, model.answer(np.stack(batch)), top))
            names.clear()
            batch.clear()

    for path in paths:
        files, problems, hidden = given_files.found(path)
        if hidden:
            predict_output.tell(f"{path}: not read, hidden or a system's: {_listed(hidden)}")
        for problem in problems:
            predict_output.tell(problem)
        failures += len(problems)
        for file in files:
            try:
                content = given_files.read(file)
                with given_files.silent_libraries():
                    batch.append(decode.decode(content, model.size, file, dark, model.fit))
                names.append(file)
            except InputError as error:
                predict_output.tell(str(error))
                failures += 1
            if len(batch) == BATCH:
                flush()
    flush()
    if dark:
        predict_output.tell(f"predict: {len(dark)} {decode.DARK} ({dark[0]}, ...): {decode.DARK_REMEDY}")
    return found, failures


def _records(model: Model, names: list[str], samples: np.ndarray, top: int) -> Iterator[dict[str, Any]]:
    """samples (T, B, C) -> one record for each image; uncertainty only where there are several passes."""
    probabilities = np.exp(us.predictive(samples))
    entropies, information = us.entropy(us.predictive(samples)), us.mutual_information(samples)
    for number, (name, shares) in enumerate(zip(names, probabilities, strict=True)):
        best = [
            {"class": model.classes[index], "probability": float(shares[index])}
            for index in np.argsort(-shares, kind="stable")[:top]
        ]
        record: dict[str, Any] = {"file": name, **best[0], "top": best}
        if len(samples) > 1:
            record |= {"entropy": float(entropies[number]), "mutual_information": float(information[number])}
        yield record


def _onnx(path: Path) -> Model:
    """An ONNX model: `images` uint8 (B, 3, H, W) -> `logits` (B, C), and its JSON: class names and image size."""
    from ladder.core.artifacts import sealed
    from ladder.deploy import onnx_files, onnx_runtime  # slow, and checkpoints do without

    about = path.with_suffix(".json")
    try:
        described = json.loads(about.read_text(encoding="utf-8"))
        classes, size = [str(name) for name in described["classes"]], int(described["image_size"])
        how = str(described.get("fit", SQUASH))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{about} must give the `classes` and `image_size` of {path.name} ({type(error).__name__}: {error}):"
            " `dvc repro quantize` writes both"
        ) from None
    if sealed.KEY in described:  # as in whatever the pipeline made; one's own needs no digests
        onnx_files.about(path)
    try:
        session = onnx_runtime.session(path)
    except Exception as error:  # whatever a damaged file leads the parser into
        raise InputError(f"{path} is no ONNX model ({str(error).splitlines()[0]})") from None

    def answer(batch: np.ndarray) -> np.ndarray:
        try:
            (logits,) = session.run(["logits"], {"images": batch})
        except Exception as error:  # ONNX Runtime has many
            raise InputError(
                f"{path} does not turn `images` uint8 {batch.shape} into `logits` ({str(error).splitlines()[0]})"
            ) from None
        if logits.shape[1] != len(classes):
            raise InputError(f"{path} has {logits.shape[1]} classes, {about.name} names {len(classes)}")
        return log_softmax(logits.astype(np.float64), axis=1)[None]

    return Model(path, classes, size, how, _about(path, classes, described.get("source")), answer)


def _about(path: Path, classes: Sequence[str], source: str | None) -> str:
    """Which model it is, in words: above all, whether it is the shipped one, which knows no class of one's own."""
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    learned = f", trained on {SOURCES.get(source, source)}" if source else ""
    named = _listed(classes)
    if path == ROOT / RELEASED:
        shipped = f"{shown}, the model that comes with this repository{learned}: it knows {named} and nothing else"
        return f"{shipped} (`dvc repro quantize` makes one of your own images)"
    return f"{shown}{learned}: {named}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])


def _checkpoint(path: Path, samples: int | None) -> Model:
    import torch  # slower still, and ONNX models do without

    from ladder.core.artifacts import checkpoints
    from ladder.deploy import mc_dropout
    from ladder.training import models

    model = models.restore(checkpoints.load(path))

    def answer(batch: np.ndarray) -> np.ndarray:
        if samples is not None:
            return mc_dropout.mc_dropout(model, batch, passes=samples, seed=SEED, batch_size=BATCH, name=path.name)
        with torch.inference_mode():
            return model(torch.from_numpy(batch)).log_softmax(-1).numpy()[None]

    config = model.config
    about = _about(path, config["classes"], None)
    return Model(path, config["classes"], config["image_size"], config.get("fit", SQUASH), about, answer)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ladder.predict", description="Classify images.")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image file, or folder that is searched for images")
    parser.add_argument("--model", metavar="NAME", help="stage (distill), ONNX model (distill_static) or path")
    parser.add_argument("--top", type=_at_least(1), default=3, metavar="K", help="classes to give for each image (3)")
    parser.add_argument("--samples", type=_at_least(2), metavar="N", help="passes with dropout: gives uncertainty")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--csv", action="store_true", help="print CSV instead of a table")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a number of at least {least}, not {text!r}")
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main())
