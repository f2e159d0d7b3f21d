"""Every command in README.md is run by a test or by CI, or is an exception with its reason."""

import re
import runpy

import pytest

from imports import ROOT
from ladder.core.errors import InputError

README = (ROOT / "README.md").read_text(encoding="utf-8")

# command -> the file that runs it, and what stands there
RUN = {
    "make demo": (".ci/run", "make demo"),
    "make test": (".ci/run", "make test-all"),
    "dvc repro train_aug": ("tests/test_pipeline.py", '"dvc", "repro", "train_aug"'),
    "dvc metrics show": ("tests/test_pipeline.py", '"dvc", "metrics", "show"'),
    "dvc metrics diff main my-branch": ("tests/test_pipeline.py", '"dvc", "metrics", "diff", "main", "other"'),
    "dvc exp run -S aug.enabled=false -n noaug": ("tests/test_pipeline.py", '"-S", "aug.enabled=false"'),
    "python -m ladder.presets flags demo": ("tests/test_presets.py", "presets.flags("),
}
EXCEPTIONS = {
    "python -m ladder.predict IMAGE.png --top 3": "an image of the reader's; tests/test_predict.py runs it on its own",
    "make repro": "hours, and a download",
    "make repro-rows PRESET=cpu": "two hours; `make demo` runs its tools/rows.sh",
    "make repro PRESET=transfer": "a download, and a GPU",
    "make repro PRESET=own_images": "images of the reader's",
    "dvc exp run -S data.source=cifar10": "a download; tests/test_sources.py reads the archive from localhost",
}


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_every_command_is_run_somewhere_or_is_an_exception():
    assert set(commands()) == RUN.keys() | EXCEPTIONS.keys()


@pytest.mark.parametrize("command", RUN)
def test_it_stands_where_it_is_said_to_run(command):
    file, text = RUN[command]
    assert text in (ROOT / file).read_text(encoding="utf-8")


def test_the_picture_and_the_files_that_are_named_exist():
    named = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert named
    assert all((ROOT / path).is_file() for path in named)


def test_the_sample_is_what_the_demo_printed():
    sample = re.search(r"<!-- demo -->\n```\n(.*?)```\n<!-- /demo -->", README, flags=re.DOTALL)
    assert sample is not None
    assert sample.group(1) == (ROOT / "docs/demo.txt").read_text(encoding="utf-8")


def test_results_and_presets_are_those_of_the_tracked_files(monkeypatch):
    monkeypatch.chdir(ROOT)
    tool = runpy.run_path(str(ROOT / "tools/results.py"))
    assert tool["updated"](README) == README, "`make results` brings README.md up to date"


def test_a_readme_without_a_section_is_refused(monkeypatch):
    monkeypatch.chdir(ROOT)
    tool = runpy.run_path(str(ROOT / "tools/results.py"))
    with pytest.raises(InputError, match="one section between <!-- presets -->"):
        tool["updated"](README.replace("<!-- presets -->", ""))
