"""Tiny images, and the folders and archives that they come in."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from ladder.params import Data


def own(path: Path, **changes) -> Data:
    """Params of images that lie at `path`."""
    values = {"source": "image_folder", "path": str(path), "image_size": 32, "split_seed": 0, "val_size": 1}
    return Data(**values | {"test_size": None, "groups": None, "fit": "squash", "pictures": "plots"} | changes)


def pixel(level: int) -> bytes:
    """A gray image, its level its mark."""
    stream = io.BytesIO()
    Image.new("L", (1, 1), level).save(stream, "PNG")
    return stream.getvalue()


# Given out of order, so that an order of reading would show.
TREE = {
    "test/dog/0.png": pixel(5),
    "test/cat/0.png": pixel(4),
    "train/dog/1.png": pixel(3),
    "train/dog/0.png": pixel(2),
    "train/cat/7.png": pixel(1),
}
VAL = {"val/cat/0.png": pixel(6), "val/dog/0.png": pixel(7)}


def write_folder(path: Path, tree: dict[str, bytes]) -> Path:
    for name, content in tree.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path


def write_zip(path: Path, tree: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in tree.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def write_tar(path: Path, tree: dict[str, bytes]) -> Path:
    compression = path.suffix.replace(".tgz", ".gz").replace(".tar", "").lstrip(".")
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, content in tree.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write(path: Path, tree: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    how = write_zip if path.suffix == ".zip" else write_tar if path.suffix else write_folder
    return how(path, tree)


def below(tree: dict[str, bytes], top: str) -> dict[str, bytes]:
    return {f"{top}/{name}": content for name, content in tree.items()}


def files_in(folder: Path) -> list[str]:
    """All that lies in a folder, hidden and temporary things too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def levels(part) -> list[int]:
    """The marks of a part's images; each is one flat gray."""
    assert part.images.dtype == np.uint8
    assert (part.images == part.images[:, :1, :1, :1]).all()
    return part.images[:, 0, 0, 0].tolist()
