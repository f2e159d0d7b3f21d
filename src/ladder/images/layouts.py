"""How the images in a folder or archive lie: as <class>/<image>, or as <part>/<class>/<image>; and what lies beside."""

import itertools
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ladder.core.errors import InputError
from ladder.images.names import composed, is_text, printable

PARTS = ("train", "val", "test")
SPELLED = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # as folders are named
DEPTH = 5  # levels that are looked at: <top>/<part>/<class>/<image>, and one more that is refused
EXPECTED = "<class>/<image>, or train/<class>/<image> and so on"
NAMED = 20  # problems in one message


@dataclass(frozen=True)
class Layout:
    """Where the images are.

    `top`: the one folder that all lies in, with its slash, or nothing. `parts`: part -> class -> names of its files
    below `top`, all sorted; `train` alone where there are only folders of classes. `beside`: what else lies there, in
    words; it is not read.
    """

    top: str
    parts: dict[str, dict[str, list[str]]]
    beside: list[str]

    @property
    def files(self) -> list[str]:
        """Names below `top`, in the order of the images' ids: by part, class and name."""
        return [name for classes in self.parts.values() for names in classes.values() for name in names]


def is_near(name: str) -> bool:
    return name.count("/") < DEPTH


def find(path: Path, listed: Mapping[str, bool]) -> Layout:
    """The layout of what lies in `path`.

    Args:
        listed: name -> whether it is a folder, as far as `is_near`; folders that hold files need not be listed.
    Raises: InputError for anything but whole sets of the same classes, and for names that are no text.
    """
    folders = {name for name, is_folder in listed.items() if is_folder}
    folders |= {above for name in listed for above in _above(name)}
    top, is_in_parts = _top(path, folders)
    inner = {name.removeprefix(top): name in folders for name in [*listed, *sorted(folders)] if name.startswith(top)}
    inner = dict(sorted((name, is_folder) for name, is_folder in inner.items() if name))
    if is_in_parts:
        folder_of = _part_folders(path, inner)
        beside = _beside(inner, used=folder_of.values())
    else:
        folder_of, beside = {"train": ""}, _loose_images(inner)
    parts = {part: _classes(path, inner, folder_of[part]) for part in PARTS if part in folder_of}
    _check_classes(path, parts, folder_of)
    return Layout(top, parts, beside)


def listed_problems(path: Path, what: str, problems: Iterable[str]) -> str:
    """One message for all of them."""
    lines = [printable(problem) for problem in sorted(problems)]
    if len(lines) == 1:
        return f"{path}: {lines[0]}"
    rest = [f"and {len(lines) - NAMED:,} more"] if len(lines) > NAMED else []
    return "\n  ".join([f"{path}: {len(lines):,} {what}:", *lines[:NAMED], *rest])


def _above(name: str) -> list[str]:
    """The folders that a name lies in: `a/b/1.png` lies in `a` and `a/b`."""
    return list(itertools.accumulate(name.split("/")[:-1], "{}/{}".format))


def _top(path: Path, folders: set[str]) -> tuple[str, bool]:
    """The folder that all lies in, with its slash, and whether parts lie there: folders so named that hold folders."""
    with_folders = {above[-1] for name in folders if (above := _above(name))}
    parts = {name for name in with_folders if _part_of(name.split("/")[-1]) and name.count("/") <= 1}
    tops = {name.rpartition("/")[0] for name in parts}
    if len(tops) > 1:
        where = " and in ".join(sorted(top or "the top" for top in tops))
        raise InputError(f"{path} has train/, val/ or test/ in {where}: keep one set of them")
    if tops:
        return "".join(f"{top}/" for top in tops if top), True
    highest = [name for name in folders if "/" not in name]
    if len(highest) == 1 and highest[0] in with_folders:
        return f"{highest[0]}/", False
    return "", False


def _part_of(folder: str) -> str | None:
    return SPELLED.get(folder.lower())


def _part_folders(path: Path, inner: Mapping[str, bool]) -> dict[str, str]:
    """Part -> its folder, with its slash. Raises InputError where there are two of one part, or none to train on."""
    found: dict[str, str] = {}
    for name, is_folder in inner.items():
        part = _part_of(name) if is_folder and "/" not in name else None
        if part and part in found:
            raise InputError(f"{path} has both {found[part]} and {name}/: keep one of them")
        if part:
            found[part] = f"{name}/"
    if "train" not in found:
        raise InputError(f"{path} has no images under train/: expected {EXPECTED}")
    return found


def _classes(path: Path, inner: Mapping[str, bool], folder: str) -> dict[str, list[str]]:
    """Class -> names of its files, both sorted, in one part. Raises InputError for what lies elsewhere in it."""
    classes: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}  # class -> the name of its folder
    bad = set()
    for name, is_folder in inner.items():
        if not name.startswith(folder) or name == folder.rstrip("/"):
            continue
        bad |= {next((start for start in [*_above(name), name] if not is_text(start)), None)}
        below = name.removeprefix(folder).split("/")
        if len(below) == 1 and not is_folder and not folder:
            continue  # a loose file beside the folders of classes
        if len(below) != (1 if is_folder else 2):
            raise InputError(f"{path}: {name} does not lie as {folder}<class>/<image>: move or remove it")
        found = composed(below[0])
        if spelled.setdefault(found, below[0]) != below[0]:
            forms = " and ".join(ascii(form) for form in (spelled[found], below[0]))
            raise InputError(
                f"{path}: {folder or 'the top'} has two folders that both read {found}, spelled {forms} in Unicode: put"
                " their images into one"
            )
        files = classes.setdefault(found, [])
        files += [] if is_folder else [name]
    # DVC, CSV and JSON files hold text, so that names written in another encoding would fail far from here.
    problems = [f"{name} is no UTF-8 (Latin-1?): rename it" for name in sorted(filter(None, bad))]
    if problems:
        raise InputError(listed_problems(path, "names are no text", problems))
    return dict(sorted(classes.items()))  # by class, not by path: "cat 2/" comes before "cat/", but "cat 2" after "cat"


def _check_classes(path: Path, parts: dict[str, dict[str, list[str]]], folder_of: dict[str, str]) -> None:
    classes = set(parts["train"])
    if not classes:
        raise InputError(f"{path} has no folders of images: expected {EXPECTED}")
    for part, folder in folder_of.items():
        differing = sorted(classes ^ set(parts[part]))
        if differing:
            raise InputError(
                f"{path}: {folder_of['train']} and {folder} must have the same classes, but differ in"
                f" {', '.join(differing)}"
            )
        empty = sorted(name for name, files in parts[part].items() if not files)
        if empty:
            raise InputError(
                f"{path}: no images in {', '.join(f'{folder}{name}/' for name in empty)}: add some or remove it"
            )
    if not folder_of["train"] and all(map(_part_of, classes)):
        raise InputError(
            f"{path}: {', '.join(f'{name}/' for name in sorted(classes))} hold images, and no folders of classes:"
            f" expected {EXPECTED}"
        )
    if len(classes) < 2:
        raise InputError(f"{path} has the one class {', '.join(classes)}: at least two are needed")


def _beside(inner: Mapping[str, bool], used: Iterable[str]) -> list[str]:
    """Folders beside the parts."""
    used = {folder.rstrip("/") for folder in used}
    others = [name for name, is_folder in inner.items() if is_folder and "/" not in name and name not in used]
    return [
        f"{other}/ ({sum(n.startswith(f'{other}/') and not f for n, f in inner.items()):,} files)" for other in others
    ]


def _loose_images(inner: Mapping[str, bool]) -> list[str]:
    """Images beside the folders of classes."""
    loose = [
        name
        for name, is_folder in inner.items()
        if not is_folder and "/" not in name and str(mimetypes.guess_type(name)[0]).startswith("image/")
    ]
    return [f"{len(loose):,} images beside the folders of classes ({loose[0]}, ...)"] if loose else []
