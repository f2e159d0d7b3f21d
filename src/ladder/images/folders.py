"""Images that lie as <part>/<class>/<image> in a folder or an archive -> Source."""

import hashlib
import itertools
import math
import re
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ladder.core.errors import InputError
from ladder.core.types import Part, Source
from ladder.images import archives, decode
from ladder.images.names import composed, is_text, printable
from ladder.params import Data

_PARTS = ("train", "val", "test")
_IN_A_PART = re.compile(r"\A(?:([^/]+)/)??((?:train|val|test)(?:/.+)?)\Z", re.DOTALL)
_THREADS = 8
_DECODED_AT_ONCE = 64  # files; bounds memory where they are photographs
_NAMED = 20  # problems in one message

# What there is to read, by name from `train`, `val` or `test` on: sha256 of a file's bytes, None for a folder.
Manifest = dict[str, str | None]
# Part -> class -> names of its files, all sorted.
Layout = dict[str, dict[str, list[str]]]


def read(data: Data, path: Path) -> Source:
    """Decode all images under `path`; `data` gives the source's name, the images' size and whether val/ is expected.

    Returns: as `sources.read`; classes are the names of their folders, sorted, in composed Unicode (NFC) however a
    system has spelled them.
    Raises: InputError for what cannot be read or decoded (all such images in one message), a layout that is not as
    above, names that are no text, classes that differ between the parts, a `data.val_size` that does not go with the
    folder, and, before anything is decoded, for more pixels than there is memory.
    """
    manifest = manifest_of(members(path))
    _check_names(path, manifest)
    layout = _layout(path, manifest)
    _match_val(path, "val" in layout, data.val_size)
    _check_memory(path, sum(content is not None for content in manifest.values()), data.image_size)
    return _decode(data.source, path, manifest, layout, data.image_size)


def members(path: Path) -> Iterator[archives.Member]:
    """What lies in train/, val/ and test/, which may lie in one folder of any name; names without that folder."""
    tops = set()
    for name, content in archives.read(path, _IN_A_PART.match):
        [(top, inner)] = _IN_A_PART.findall(name)
        tops.add(top or "the top")
        if len(tops) > 1:
            raise InputError(
                f"{path} has train/, val/ or test/ in {' and in '.join(sorted(tops))}: keep one set of them"
            )
        yield inner, content


def manifest_of(members: Iterable[archives.Member]) -> Manifest:
    return {name: None if content is None else hashlib.sha256(content).hexdigest() for name, content in members}


def digest_of(manifest: Manifest) -> str:
    """sha256 over names and bytes, whatever the archive; by hand, in the folder of train/ and test/:

    find train test -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
    """
    lines = "".join(f"{manifest[name]}  {name}\n" for name in sorted(manifest) if manifest[name])
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def _check_names(path: Path, manifest: Manifest) -> None:
    """DVC, CSV and JSON files hold text, so that names written in another encoding would fail far from here."""
    bad = set()
    for name in manifest:
        above = itertools.accumulate(name.split("/"), "{}/{}".format)  # train, train/cat, train/cat/1.png
        bad |= {next((start for start in above if not is_text(start)), None)}
    problems = [f"{name} is no UTF-8 (Latin-1?): rename it" for name in bad - {None}]
    if problems:
        raise InputError(_listed(path, "names are no text", problems))


def _layout(path: Path, manifest: Manifest) -> Layout:
    """Raises: InputError unless all lies as <part>/<class>/<image>, the same classes in train, test and any val."""
    layout: Layout = {}
    spelled: dict[tuple[str, str], str] = {}  # part and class -> the name of its folder
    for name in sorted(manifest):
        part, *below = name.split("/")
        is_folder = manifest[name] is None
        if len(below) == (1 if is_folder else 2):
            found = composed(below[0])
            if spelled.setdefault((part, found), below[0]) != below[0]:
                forms = " and ".join(ascii(form) for form in (spelled[part, found], below[0]))
                raise InputError(
                    f"{path}: {part}/ has two folders that both read {found}, spelled {forms} in Unicode: put their"
                    " images into one"
                )
            files = layout.setdefault(part, {}).setdefault(found, [])
            files += [] if is_folder else [name]
        elif below:
            raise InputError(f"{path}: {name} does not lie as {part}/<class>/<image>: move or remove it")

    for part in ("train", "test"):
        if part not in layout:
            raise InputError(f"{path} has no images under {part}/: expected {part}/<class>/<image>")
    for part in layout:
        differing = sorted(set(layout[part]) ^ set(layout["train"]))
        if differing:
            raise InputError(
                f"{path}: train/ and {part}/ must have the same classes, but differ in {', '.join(differing)}"
            )
        empty = sorted(name for name, files in layout[part].items() if not files)
        if empty:
            raise InputError(
                f"{path}: no images in {', '.join(f'{part}/{name}/' for name in empty)}: add some or remove it"
            )
    if len(layout["train"]) < 2:
        raise InputError(f"{path} has the one class {', '.join(layout['train'])}: at least two are needed")
    # By class, not by path: "cat 2/" comes before "cat/", but "cat 2" after "cat".
    return {part: dict(sorted(layout[part].items())) for part in _PARTS if part in layout}


def _match_val(path: Path, has_val: bool, val_size: int | None) -> None:
    if has_val and val_size is not None:
        raise InputError(f"data.val_size is {val_size}, but {path} brings its own val/: set it to null, or remove val/")
    if not has_val and val_size is None:
        raise InputError(
            f"data.val_size is null, but {path} has no images under val/: add some, or set it to the number of images"
            " to take from train/"
        )


def _check_memory(path: Path, images: int, size: int) -> None:
    import psutil  # type: ignore[import-untyped]

    needed, free = images * 3 * size**2, psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"{path}: {images:,} images of data.image_size {size} are {needed / 2**30:,.1f} GiB of pixels, and"
            f" {free / 2**30:,.1f} GiB of memory are free: set data.image_size below"
            f" {math.isqrt(free // (3 * images))}, or take fewer images"
        )


def _decode(source: str, path: Path, manifest: Manifest, layout: Layout, size: int) -> Source:
    """Decode all images, in the order that they are stored in, into their places in the order of ids."""
    classes = tuple(layout["train"])
    names = [name for part in layout.values() for files in part.values() for name in files]
    place = {name: index for index, name in enumerate(names)}
    pixels = np.empty((len(names), 3, size, size), np.uint8)
    labels = np.array([classes.index(composed(name.split("/")[1])) for name in names])
    problems: list[str] = []
    dark: list[str] = []

    def fill(files):  # (name, bytes) of some of them
        for name, content in files:
            try:
                pixels[place[name]] = decode.decode(content, size, name, dark)
            except InputError as error:
                problems.append(str(error))

    files = (member for member in members(path) if member[1] is not None)
    progress = tqdm(total=len(names), desc=source, unit=" images", disable=None)  # None: only on a terminal
    with ThreadPoolExecutor(_THREADS) as pool, progress:
        while batch := list(itertools.islice(files, _DECODED_AT_ONCE)):
            list(pool.map(fill, (batch[thread::_THREADS] for thread in range(_THREADS))))  # list: raises what they do
            progress.update(len(batch))
    if problems:
        raise InputError(_listed(path, f"of {len(names):,} images cannot be read", problems))
    if dark:
        example = min(dark)
        print(f"{path}: {len(dark):,} {decode.DARK} ({example}, ...): {decode.DARK_REMEDY}", file=sys.stderr)

    every = Part(pixels, labels, np.arange(len(names)))
    sizes = [sum(map(len, part.values())) for part in layout.values()]
    bounds = [0, *itertools.accumulate(sizes)]
    parts = {part: every.take(slice(*ends)) for part, ends in zip(layout, itertools.pairwise(bounds), strict=True)}
    return Source(source, digest_of(manifest), classes, parts["train"], parts.get("val"), parts["test"])


def _listed(path: Path, what: str, problems: list[str]) -> str:
    """One message for all of them."""
    lines = [printable(problem) for problem in sorted(problems)]
    if len(lines) == 1:
        return f"{path}: {lines[0]}"
    rest = [f"and {len(lines) - _NAMED:,} more"] if len(lines) > _NAMED else []
    return "\n  ".join([f"{path}: {len(lines):,} {what}:", *lines[:_NAMED], *rest])
