"""Images that lie as <class>/<image> or <part>/<class>/<image> in a folder or an archive -> Source."""

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
from ladder.images import archives, decode, layouts
from ladder.images.layouts import Layout
from ladder.images.names import printable
from ladder.params import Data

_IN_A_PART = re.compile(r"\A(?:([^/]+)/)??((?:train|val|test)(?:/.+)?)\Z", re.DOTALL)
_THREADS = 8
_DECODED_AT_ONCE = 64  # files; bounds memory where they are photographs

# sha256 of a file's bytes, None for a folder, by name.
Manifest = dict[str, str | None]


def read(data: Data, path: Path) -> Source:
    """Decode all images under `path`; `data` gives the source's name, their size, and which parts are to be drawn.

    Returns: as `sources.read`; classes are the names of their folders, sorted, in composed Unicode (NFC) however a
    system has spelled them.
    Raises: InputError for what cannot be read or decoded (all such images in one message), a layout that is not one of
    these, names that are no text, classes that differ between the parts, sizes in `data` that do not go with the
    folder, and, before anything is decoded, for more pixels than there is memory.
    """
    layout = find(path)
    _match(path, layout, "val", data.val_size)
    _match(path, layout, "test", data.test_size)
    _check_memory(path, len(layout.files), data.image_size)
    if layout.beside:
        print(printable(f"{path}: not used: {', '.join(layout.beside)}"), file=sys.stderr)
    return _decode(data.source, path, layout, data.image_size, data.fit)


def find(path: Path) -> Layout:
    """How the images lie in `path`. Raises: as `archives.read` and `layouts.find`."""
    members = archives.read(path, layouts.is_near, contents=False)
    return layouts.find(path, {name: content is None for name, content in members})


def contents(path: Path, layout: Layout) -> Iterator[tuple[str, bytes]]:
    """Name below `layout.top` and bytes of each image, in stored order."""
    wanted = {f"{layout.top}{name}" for name in layout.files}
    above = {parent.as_posix() for name in wanted for parent in Path(name).parents}
    for name, content in archives.read(path, (wanted | above).__contains__):
        if content is not None:
            yield name.removeprefix(layout.top), content


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


def _match(path: Path, layout: Layout, part: str, size: int | float | None) -> None:
    """Raises InputError where a part is neither there nor to be drawn, or both."""
    if part in layout.parts and size is not None:
        raise InputError(
            f"data.{part}_size is {size}, but {path} brings its own {part}/: set it to null, or remove {part}/"
        )
    if part not in layout.parts and size is None:
        raise InputError(
            f"data.{part}_size is null, but {path} has no images under {part}/: add some, or set it to the number or"
            " share of images to draw"
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


def _decode(source: str, path: Path, layout: Layout, size: int, how: str) -> Source:
    """Decode all images, in the order that they are stored in, into their places in the order of ids."""
    names, classes = layout.files, tuple(layout.parts["train"])
    place = {name: index for index, name in enumerate(names)}
    pixels = np.empty((len(names), 3, size, size), np.uint8)
    sizes = [[len(part[name]) for name in classes] for part in layout.parts.values()]
    labels = np.concatenate([np.repeat(np.arange(len(classes)), counts) for counts in sizes])
    manifest: Manifest = {}
    problems: list[str] = []
    dark: list[str] = []

    def fill(files):  # (name, bytes) of some of them
        for name, content in files:
            manifest[name] = hashlib.sha256(content).hexdigest()
            try:
                pixels[place[name]] = decode.decode(content, size, name, dark, how)
            except InputError as error:
                problems.append(str(error))

    read = contents(path, layout)
    progress = tqdm(total=len(names), desc=source, unit=" images", disable=None)  # None: only on a terminal
    with ThreadPoolExecutor(_THREADS) as pool, progress:
        while batch := list(itertools.islice(read, _DECODED_AT_ONCE)):
            list(pool.map(fill, (batch[thread::_THREADS] for thread in range(_THREADS))))  # list: raises what they do
            progress.update(len(batch))
    if missing := [f"{name} was gone when it was to be read: run it again" for name in names if name not in manifest]:
        raise InputError(layouts.listed_problems(path, "images changed meanwhile", missing))
    if problems:
        raise InputError(layouts.listed_problems(path, f"of {len(names):,} images cannot be read", problems))
    if dark:
        example = min(dark)
        print(f"{path}: {len(dark):,} {decode.DARK} ({example}, ...): {decode.DARK_REMEDY}", file=sys.stderr)

    every = Part(pixels, labels, np.arange(len(names)))
    bounds = [0, *itertools.accumulate(map(sum, sizes))]
    parts = {
        part: every.take(slice(*ends)) for part, ends in zip(layout.parts, itertools.pairwise(bounds), strict=True)
    }
    files = tuple(f"{layout.top}{name}" for name in names)
    return Source(source, digest_of(manifest), classes, parts["train"], parts.get("val"), parts.get("test"), files)
