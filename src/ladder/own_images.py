"""One's own photos, made ready for the pipeline: checked, tracked by DVC, and params.yaml set for them.

make images DIR=path/to/photos     a folder (or archive) of <class>/<image>, or train/<class>/<image> and so on

Nothing is changed where something is wrong with them. What lies outside of this repository is copied into my_images/.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ladder import own_time, params, presets
from ladder.core.errors import InputError, exit_on_input_error
from ladder.core.types import Source, Split
from ladder.drawing import fonts
from ladder.images import archives, checking, folders, grouping, sources
from ladder.images.split import split
from ladder.params_file import load_yaml

PRESET, COPY = "own_images", "my_images"
SHARES = (0.15, 0.2, 0.25, 0.3, 0.4)  # of validation and test images, the first that can be drawn
STEPS = 88  # of training, in all epochs of a ResNet18: what four epochs of 700 images have
LONGER = 7 / 4  # what the preset gives students, in epochs of a ResNet18
FEW, MANY = 3, 30  # epochs
JOBS = 2  # stages at a time
ROOM_GB = 5.0  # free: two stages at a time with batches of 32 hold 2.2 GB each


def main(given: str = "") -> None:
    path = Path(given).expanduser()  # not every shell expands `DIR=~/photos`
    if not given or not path.exists():
        raise InputError(f"{given or 'DIR'} is no folder of photos: give one, as in `make images DIR=path/to/photos`")
    name = _inside(path)
    layout = folders.find(path)
    drawn = [f"{part}_size" for part in ("val", "test") if part not in layout.parts]
    data = _data(name, dict.fromkeys(drawn, SHARES[0])).model_copy(update={"path": str(path)})
    source = sources.read(data)
    group = grouping.groups(source, data)
    print("\n".join(checking.described(path, layout, source, group)))
    if lacking := fonts.hint(source.classes):
        print(lacking)

    share, made = _fitting(source, data, group, drawn)
    _track(path, name)
    presets.apply(PRESET, more=_overrides(name, dict.fromkeys(drawn, share), len(made.train)))
    parts = f"{len(made.train):,} to train, {len(made.val):,} to validate, {len(made.test):,} to test"
    print(f"{parts}; presets/{PRESET}.yaml is applied to {params.PATH}, with what fits these images")
    minutes = own_time.minutes(params.read(), len(made.train), len(made.val), JOBS)
    print(f"next: `make repro JOBS={JOBS}`, about {minutes} minutes here if nothing else runs")


def _inside(path: Path) -> str:
    """What data.path will be: the place in this repository, or that of a copy. Raises InputError if one is there."""
    here = Path.cwd().resolve()
    if path.resolve().is_relative_to(here):
        return path.resolve().relative_to(here).as_posix()
    endings = [] if path.is_dir() else [suffix for suffix in archives.SUFFIXES if path.name.lower().endswith(suffix)]
    copy = COPY + max(endings, key=len, default="")
    if Path(copy).exists():
        raise InputError(
            f"{path} lies outside of this repository and would be copied to {copy}, which is there already:"
            f" `make images DIR={copy}` takes what it holds; or remove it, and {copy}.dvc"
        )
    return copy


def _data(name: str, sizes: Mapping[str, float]) -> params.Data:
    """What `data` will be. Raises InputError for a place that cannot be `data.path`, or params that are not valid."""
    overrides = presets.combined(presets.load(PRESET), _overrides(name, sizes))
    return params.validate(presets.merge(load_yaml(params.PATH), overrides), f"{params.PATH} with preset {PRESET}").data


def _overrides(name: str, sizes: Mapping[str, float], train: int | None = None) -> dict[str, Any]:
    """What goes beyond the preset. Few images to train on get more epochs, so that all have about as many steps."""
    data = {"path": name, "val_size": None, "test_size": None, **sizes}
    if train is None:
        return {"data": data}
    batch = 32 if train >= 200 and own_time.free_gb() >= ROOM_GB else 16
    epochs = int(np.clip(round(STEPS * 32 / train), FEW, MANY))
    recipe = {"batch_size": batch, "epochs": epochs}
    student = recipe | {"epochs": round(epochs * LONGER)}
    return {"data": data, **dict.fromkeys(("baseline", "ablation", "resnet", "effnet"), recipe), "student": student}


def _fitting(source: Source, data: params.Data, group: np.ndarray, drawn: list[str]) -> tuple[float, Split]:
    """The least share that can be drawn for validation and test. Raises InputError, that of the first, if none can."""
    first = None
    for share in SHARES:
        try:
            return share, split(source, data.model_copy(update=dict.fromkeys(drawn, share)), group)
        except InputError as error:
            first = first or error
    assert first is not None
    raise first


def _track(path: Path, name: str) -> None:
    """`dvc add`, which keeps a folder out of Git."""
    outside = [] if path.resolve() == Path(name).resolve() else ["--out", name]
    how = "copied to" if outside else "tracked:"
    print(f"{how} {name} (`dvc add`); Git ignores it, and private/, where pictures of it go", flush=True)
    done = subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", str(path), *outside])
    if done.returncode:
        raise InputError(f"`dvc add {' '.join([str(path), *outside])}` failed, see above: nothing else was changed")


if __name__ == "__main__":
    exit_on_input_error(main)
