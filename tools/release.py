"""Copy the static int8 student into release/, with a model card: `make release`.

Everything the card says is read from the run that dvc.lock records: tests/reporting/test_release.py holds it against
that.
"""

import hashlib
import json
import shutil
from pathlib import Path

import yaml

from ladder import params
from ladder.core.artifacts import files
from ladder.core.errors import InputError, exit_on_input_error
from ladder.deploy import onnx_files
from ladder.reporting import markdown, model_card

MADE, FOLDER = Path("deployed"), Path("release")
MODEL = MADE / "distill_static.onnx"


def main() -> None:
    about, lock = onnx_files.about(MODEL), recorded()
    if lock != folder_md5(MADE):
        raise InputError(f"{MADE} is not what dvc.lock records: `dvc repro` makes both agree")
    card = model_card.text(MODEL, about, lock, params.read())
    FOLDER.mkdir(exist_ok=True)
    for suffix in (".onnx", ".json"):
        with files.atomic((FOLDER / "student_int8").with_suffix(suffix)) as temporary:
            shutil.copyfile(MODEL.with_suffix(suffix), temporary)
    markdown.write(FOLDER / "README.md", card)
    print(f"release: {FOLDER}/student_int8.onnx, {MODEL.stat().st_size / 1e6:.2f} MB, and its card {FOLDER}/README.md")


def recorded() -> str:
    """The md5 of deployed in dvc.lock."""
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
