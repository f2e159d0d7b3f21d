"""A file of params as DVC reads it, refused where it could mislead, and what is wrong with it in words.

DVC reads YAML 1.2 with ruamel.yaml, and records what it read in dvc.lock and in its run cache. So this reads with the
same: with another reader, `010` or `1e-05` would be one value there and another one here.
"""

import reprlib
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from ladder.core.errors import InputError, nearest

MOST_NODES = 10_000  # with aliases written out; params.yaml has 300


def load_yaml(path: str | Path) -> Any:
    """The values of a YAML file, equal to those that DVC reads from it.

    Raises InputError for a file that cannot be read, is no YAML, repeats a key, or holds what no params file does: keys
    that are no words, values of Python's own types, aliases that grow without bound.
    """
    text = _text(Path(path))
    try:
        return deepcopy(_values(text))
    except RecursionError:
        raise InputError(f"{path} is no valid YAML: its values are nested too deeply, or contain themselves") from None
    except Exception as error:  # besides YAMLError and _Refused, ruamel.yaml lets out whatever its own parts raise
        raise InputError(f"{path} is no valid YAML: {_cause(error)}") from None


def describe(error: ValidationError, schema: type[BaseModel], told: Mapping[str, str]) -> list[str]:
    """Lines `key: what was expected, what was read`, one or more for each problem that pydantic found.

    Args:
        told: key that was, or is new -> what to say of it.
    """
    return [line for problem in error.errors() for line in _lines(problem, schema, told)]


def shown(value: Any) -> str:
    """A value for a message, cut to a readable length."""
    return _SHORT.repr(value)


class _Refused(Exception):
    """Says what this reader refuses, and where it stands."""


@lru_cache(maxsize=4)  # a stage reads its params before and after it runs, and parsing takes a tenth of a second
def _values(text: str) -> Any:
    yaml = YAML(typ="safe")
    top = yaml.compose(text)
    if top is None:
        raise _Refused("nothing stands in it")
    _check(top, "", yaml.constructor, {})
    return yaml.constructor.construct_document(top)


def _text(path: Path) -> str:
    """The text of a file. Raises InputError where there is none."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(
                f"{path} is no file: move what stands there, and `git checkout {path}` brings the file back"
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run from the top folder of the repository") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text (byte {error.start + 1}): save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _check(node: Node, key: str, constructor: Any, sizes: dict[int, int]) -> int:
    """The number of values under a node, aliases written out. Raises _Refused for what `load_yaml` refuses.

    `sizes` holds what is known already, by node: a file of a few lines may stand for more values than could be counted.
    """
    if id(node) in sizes:
        return sizes[id(node)]
    size = 1
    if isinstance(node, ScalarNode):
        try:
            constructor.construct_object(node)
        except Exception:  # whatever int(), date() and the like raise
            kind = str(node.tag).rsplit(":", 1)[-1]
            raise _Refused(f"{_at(node)}: {key}: {shown(node.value)} cannot be read as {kind}") from None
    elif isinstance(node, MappingNode):
        for name, value in zip(_keys(node), (value for _, value in node.value), strict=True):
            size += _check(value, f"{key}.{name}".lstrip("."), constructor, sizes)
    else:
        for value in node.value:
            size += _check(value, key, constructor, sizes)
    if size > MOST_NODES:
        raise _Refused(
            f"{_at(node)}: {key}: its aliases stand for more than {MOST_NODES:,} values: write out what is meant"
        )
    sizes[id(node)] = size
    return size


def _keys(node: MappingNode) -> list[str]:
    """The keys of a mapping. Raises _Refused for one that is no word or stands twice, which DVC accepts beside `<<`."""
    keys: list[str] = []
    for key, _ in node.value:
        if not isinstance(key, ScalarNode):
            raise _Refused(f"{_at(key)}: a list or a mapping stands as a key: write a word before the colon")
        if key.value in keys:
            raise _Refused(f"{_at(key)}: the key {shown(key.value)} stands twice: keep one")
        if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            raise _Refused(f"{_at(key)}: the key {shown(key.value)} is no word: no params have such a key")
        keys.append(key.value)
    return keys


def _at(node: Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _cause(error: Exception) -> str:
    """What was found, and in which line, in one line."""
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    return (f"line {mark.line + 1}, column {mark.column + 1}: " if mark else "") + " ".join(said.split())


def _lines(problem: Any, schema: type[BaseModel], told: Mapping[str, str]) -> list[str]:
    path = [str(part) for part in problem["loc"]]
    key = ".".join(part if part.isprintable() and len(part) <= 80 else shown(part) for part in path) or "params"
    if problem["type"] == "extra_forbidden":
        return [f"{key}: {told.get(key) or 'unknown key' + nearest(path[-1], _fields(schema, path[:-1]))}"]
    if problem["type"] == "missing":
        return [f"{key}: {told.get(key, 'missing')}"]
    if problem["type"] == "value_error":
        prefix = f"{key}: " if path else ""
        return [prefix + line for line in str(problem["ctx"]["error"]).splitlines()]
    return [f"{key}: {problem['msg'].lower()}, not {shown(problem['input'])}"]


def _fields(schema: Any, path: list[str]) -> list[str]:
    """Names of the keys of the group at `path`."""
    group: Any = schema
    for part in path:
        field = getattr(group, "model_fields", {}).get(part)
        group = (
            next((a for a in getattr(field.annotation, "__args__", [field.annotation]) if a is not type(None)), None)
            if field
            else None
        )
    return list(getattr(group, "model_fields", {}))


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlevel, self.maxdict, self.maxlist = 2, 6, 6

    def repr_int(self, value: int, level: int) -> str:
        """Python refuses to print more than 4,300 digits."""
        return repr(value) if value.bit_length() < 200 else f"a number of {value.bit_length():,} bits"


_SHORT = _Short()
