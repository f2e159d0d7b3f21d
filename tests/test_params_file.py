"""params.yaml is read as DVC reads it, and whatever stands in it ends in values or in one message."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.dependency.param import read_param_file
from dvc.fs import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import bounded
from imports import ROOT
from ladder import params, presets
from ladder.core.errors import InputError
from ladder.params_file import load_yaml

TRACKED = (ROOT / "params.yaml").read_text(encoding="utf-8")

SCALARS = [
    *("0", "00", "7", "010", "08", "-010", "+1", "-1", "-0", "+0", "1_000", "1__0", "1_", "_1", "0_1", "0o20"),
    *("0o9", "0o", "0x1F", "0xff", "0x_1", "0X1F", "0b101", "0b", "0b2", "-0x1", "+0b1", "9223372036854775808"),
    *("1:30", "1:30:00", "1e-3", "1e-05", "1E5", "1e5", "1e+20", "12e03", "1.e3", "1e", "e1", ".5", "5."),
    *("-.5", "+.5", "0.1", "1_0.5", "1.5.2", ".", "-.", "1e999", "0.0", "-0.0", ".inf", "-.inf", "+.Inf"),
    *(".INF", ".nan", ".NaN", "nan", "inf", "Infinity", "true", "True", "TRUE", "tRUE", "false", "False"),
    *("yes", "Yes", "no", "on", "off", "OFF", "y", "n", "~", "null", "Null", "NULL", "nULL", "", "none"),
    *("None", '""', "''", '"1"', "'1e-05'", '"true"', '"\\x41"', "'it''s'", "2001-01-01", "2001-1-1"),
    *("2001-01-01T10:00:00Z", "2001-01-01 10:00:00 +1", "2026-01-01x", "1e-05x", "a b", "a#b", "a:b"),
    *("!!str 5", "!!int 5", '!!float "1"', "!!int 010", "!!bool true", "!!null x", "!!binary aGk=", "&a 5"),
    *("|\n  text\n", ">\n  text\n"),
]  # fmt: skip


def as_dvc(path: Path):
    """What DVC takes for the values of a params file: recorded in dvc.lock, and part of the run cache's key."""
    return read_param_file(LocalFileSystem(), str(path))


def assert_equal_to_dvc(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    try:
        expected = as_dvc(path)
    except Exception:  # what DVC cannot read, nobody is to read
        with pytest.raises(InputError, match=path.name):
            load_yaml(path)
        return
    assert repr(load_yaml(path)) == repr(expected)  # 1, 1.0 and true differ; nan does not


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar_is_what_dvc_reads(tmp_path, text):
    assert_equal_to_dvc(tmp_path / "params.yaml", f"x: {text}\ny: [{text}]\n" if "\n" not in text else f"x: {text}")


@bounded(150)
@given(text=st.text("0123456789+-._eExXoObBaf:~nulNULtrueTRUEysTinfIN'\"!& ", max_size=10))
def test_any_scalar_is_what_dvc_reads(tmp_path, text):
    assert_equal_to_dvc(tmp_path / "params.yaml", f"x: {text}\n")


@pytest.mark.parametrize("name", ["params.yaml", *(f"presets/{path.name}" for path in (ROOT / "presets").glob("*"))])
def test_our_own_files_are_what_dvc_reads(name):
    assert repr(load_yaml(ROOT / name)) == repr(as_dvc(ROOT / name))


@pytest.mark.parametrize(
    "text",
    [
        "a: &r {x: 1, y: 2}\nb: *r\n",
        "a: &r {x: 1, y: 2}\nb: {<<: *r, x: 3}\n",
        "a: &r {x: 1, y: 2}\nb:\n  x: 3\n  <<: *r\n",
        "a: &r {x: 1, y: 2}\nb: &s {x: 5, z: 1}\nc: {<<: [*r, *s], y: 9}\n",
        "%YAML 1.1\n---\na: 010\nb: off\nc: 1:30\nd: 0o20\ne: 1e-05\n",
        "\ufeffa: 1\n",
        "a: 1\r\nb: 2\r\n",
    ],
)
def test_aliases_merge_keys_and_the_like_are_what_dvc_reads(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode())
    assert load_yaml(path) == as_dvc(path)


def nested(depth: int) -> str:
    return "x: " + "[" * depth + "]" * depth


def growing(merge: bool) -> str:
    """Aliases of aliases: nine times as much with each line."""
    lines = ["a0: &a0 {x: 1, y: 2}" if merge else "a0: &a0 [1, 2]"]
    for n in range(1, 12):
        nine = ", ".join([f"*a{n - 1}"] * 9)
        lines.append(f"a{n}: &a{n} {{<<: [{nine}]}}" if merge else f"a{n}: &a{n} [{nine}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 1"),
        ("a: 1\na: 2\n", "line 2: the key 'a' stands twice"),
        ("a: &r {x: 1}\nb: {<<: *r, x: 3, x: 4}\n", "line 2: the key 'x' stands twice"),
        ("~: 1\n", "line 1: the key '~' is no word"),
        ("a: 1\n1: 2\n", "line 2: the key '1' is no word"),
        ("a: {true: 2}\n", "line 1: the key 'true' is no word"),
        ("? [a]\n: 1\n", "line 1: a list or a mapping stands as a key"),
        ("? [[a]]\n: 1\n", "line 1: a list or a mapping stands as a key"),
        ("? {a: b}\n: 1\n", "line 1: a list or a mapping stands as a key"),
        ("seed: 1\ndata:\n  path: 2001-99-99\n", "line 3: data.path: '2001-99-99' cannot be read as timestamp"),
        ("x: !!int abc\n", "line 1: x: 'abc' cannot be read as int"),
        ("x: !!bool abc\n", "line 1: x: 'abc' cannot be read as bool"),
        ('x: !!int ""\n', "line 1: x: '' cannot be read as int"),
        ("x: 0x_\n", "line 1: x: '0x_' cannot be read as int"),
        ("x: !!python/name:os.system\n", "line 1: x: '' cannot be read as"),
        ("x: !!python/object/apply:os.system [ls]\n", "line 1"),
        (f"x: {'9' * 5000}\n", "line 1: x: '99999.*' cannot be read as int"),
        (nested(2000), "nested too deeply"),
        ("x: &x [*x]\n", "contain themselves"),
        ("x: &x {<<: *x}\n", "contain themselves"),
        (growing(merge=False), "stand for more than 10,000 values"),
        (growing(merge=True), "stand for more than 10,000 values"),
        ("x: a\0b\n", "#x0000"),
        ("\tx: 1\n", r"line 1, column 1: .*'\\t'"),
        ("x: 1\n---\nx: 2\n", "another document"),
        ("x: *y\n", "undefined alias"),
        ("", "nothing stands in it"),
        ("# a comment\n", "nothing stands in it"),
    ],
)
def test_what_is_no_params_file_ends_in_one_message(tmp_path, text, message):
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"(?s)params\.yaml is no valid YAML: .*{message}") as error:
        params.read(tmp_path / "params.yaml")
    assert len(str(error.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "3", "null"])
def test_what_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    shutil.copy(ROOT / "ladder.yaml", tmp_path)
    with pytest.raises(InputError, match=r"params\.yaml: one problem"):
        params.read(tmp_path / "params.yaml")


@pytest.mark.parametrize("data", ["é: 1".encode("latin-1"), "x: 1".encode("utf-16"), bytes(range(256)), b"\x93NUMPY"])
def test_what_is_no_text_is_refused(tmp_path, data):
    (tmp_path / "params.yaml").write_bytes(data)
    with pytest.raises(InputError, match="no UTF-8 text"):
        params.read(tmp_path / "params.yaml")


def test_what_is_no_file_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(InputError, match="top folder of the repository"):
        params.read(path)
    path.mkdir()
    with pytest.raises(InputError, match="is no file"):
        params.read(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is no file"):
        params.read(path)


def test_a_file_that_the_system_does_not_give_is_named_with_its_reason(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("seed: 0\n")

    def refuses(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuses)
    with pytest.raises(InputError, match=r"params\.yaml cannot be read: Permission denied"):
        params.read(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["seed: &x [*x]\n", "seed: 2001-99-99\n", TRACKED.replace("seed: 0 ", "seed: 1e20 ")])
def test_a_stage_says_it_in_one_message_and_fails(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    shutil.copy(ROOT / "ladder.yaml", tmp_path)
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "stages/split.py")]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("split: params.yaml")
    assert "Traceback" not in done.stderr


LINES = [n for n, line in enumerate(TRACKED.splitlines()) if ":" in line.split("#")[0]]
ODD = st.one_of(
    st.sampled_from([*SCALARS, "[]", "{}", "[1]", "{a: 1}", "*r", "&r 1", "9" * 5000, "0x" + "f" * 5000, "10" * 40]),
    st.sampled_from(['"\\0"', '"\\ud800"', "2001-99-99", "!!int abc", "!!set {a}", "!!omap [a: 1]", "!x 1", "=", "<<"]),
    st.sampled_from(["[" * 50, "1e-400"]),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=12),
)  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.sampled_from(["value", "drop", "twice", "key", "insert", "flip"]), st.sampled_from(LINES), ODD),
    min_size=1,
    max_size=3,
)


def mutated(changes: list[tuple[str, int, str]]) -> bytes:
    lines = TRACKED.splitlines()
    flips = []
    for kind, number, odd in changes:
        key, _, rest = lines[number].partition(":")
        lines[number] = {
            "value": f"{key}: {odd}",
            "drop": "",
            "twice": f"{lines[number]}\n{lines[number]}",
            "key": f"{key}{odd}:{rest}",
            "insert": f"{odd}\n{lines[number]}",
            "flip": lines[number],
        }[kind]
        flips += [(number, odd)] if kind == "flip" else []
    data = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
    for number, odd in flips:
        data[number * 7919 % len(data)] = (len(odd) * 37 + number) % 256
    return bytes(data)


@bounded(150)
@given(changes=CHANGES)
def test_any_change_to_params_is_read_or_refused_in_one_message(workspace, changes):
    data = mutated(changes)
    Path("params.yaml").write_bytes(data)
    try:
        read = params.read()
    except InputError as error:
        str(error).encode("utf-8", "backslashreplace")
    else:
        assert read == params.validate(as_dvc(Path("params.yaml")))
    try:
        presets.apply("tiny")
    except InputError:
        assert Path("params.yaml").read_bytes() == data
    else:
        assert params.read().data.image_size == 8


def test_what_one_reader_does_to_the_values_the_next_does_not_see(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: {b: [1]}\n")
    load_yaml(path)["a"]["b"].append(2)
    assert load_yaml(path) == {"a": {"b": [1]}}
    path.write_text("a: {b: [3]}\n")
    assert load_yaml(path) == {"a": {"b": [3]}}
