"""Every command in README.md is run by a test or by CI, or is an exception with its reason."""

import json
import re
import runpy
import shutil
import subprocess

import pandas as pd
import pytest
from dvc.utils.flatten import flatten

from dvcfile import STAGES, group, outs
from imports import ROOT
from ladder import ladder_file
from ladder.core.errors import InputError
from ladder.params_file import load_yaml
from ladder.reporting import benchmark, results
from ladder.sweeps import keep, screen, statistics, sweep
from ladder.sweeps.experiments import Experiment

README = (ROOT / "README.md").read_text(encoding="utf-8")

EVERY_DAY = "tests/sweeps/test_commands.py"

# command -> the file that runs it, and what stands there
RUN = {
    "make demo": (".ci/run", "make demo"),
    "make test": (".ci/run", "make test-all"),
    "dvc repro": ("tests/test_pipeline.py", 'made.run("dvc", "repro")'),
    'git switch --create one && make repro TARGETS="train_baseline train_aug"': (
        "tests/running/test_whole.py",
        '["train_baseline", "train_aug"]',
    ),
    'git add --all && git commit --message "two rungs" && dvc push && git push origin one': (
        "tests/running/test_whole.py",
        '"dvc", "push"',
    ),
    "git fetch && git merge origin/one && git merge origin/two && dvc repro --pull": (
        "tests/running/test_whole.py",
        '"dvc", "repro", "--pull"',
    ),
    "dvc repro train_aug": ("tests/test_pipeline.py", '"dvc", "repro", "train_aug"'),
    "dvc metrics show": ("tests/test_pipeline.py", '"dvc", "metrics", "show"'),
    "dvc metrics diff main my-branch": ("tests/test_pipeline.py", '"dvc", "metrics", "diff", "main", "other"'),
    "dvc exp run -S aug.enabled=false -n noaug": ("tests/test_pipeline.py", '"-S", "aug.enabled=false"'),
    "make images DIR=path/to/photos": ("tests/test_own_images.py", "own_images.main("),
    "python -m ladder.predict holiday/ --csv > holiday.csv": (
        "tests/test_predict.py",
        'run("f", "missing.png", "--csv"',
    ),
    "python -m ladder.presets flags demo": ("tests/test_presets.py", "presets.flags("),
    "git switch --create digits && python -m ladder.presets apply demo && git commit --all --message digits": (
        "tests/pipeline.py",
        '"ladder.presets", "apply", "tiny"',
    ),
    'make experiments RUNGS="train_noaug train_aug"': (
        EVERY_DAY,
        'tool(swept, "experiments", "train_noaug", "train_aug"',
    ),
    "dvc exp run -S 'seed=0,1,2' --queue evaluate@train_noaug evaluate@train_aug": (EVERY_DAY, '"seed=0,1,2"'),
    "dvc queue start -j 2 > /dev/null": ("tests/pipeline.py", "dvc queue start -j 2 > /dev/null"),
    'make sweep RUNGS="train_noaug train_aug" OUT=docs/seeds': (
        EVERY_DAY,
        'tool(swept, "sweep", "--out", "docs/seeds"',
    ),
}
EXCEPTIONS = {
    "python -m ladder.predict IMAGE.png --top 3": "an image of the reader's; tests/test_predict.py runs it on its own",
    "make repro": "hours, and a download",
    "make repro PRESET=cpu JOBS=2": "hours; tests/running/test_whole.py runs two stages at a time",
    'make repro TARGETS="train_aug train_se"': "hours; tests/running/test_whole.py gives targets",
    "make repro PRESET=gpu": "a download, and a GPU",
    "make repro JOBS=2": "half an hour, on images of the reader's",
    "dvc exp run -S data.source=cifar10 -S data.path=data/raw/cifar10": "a download; tests/images/ has its own",
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


def test_cleaning_up_asks_nothing_about_folders_that_a_clone_never_had():
    """dvc.lock names all of them; tests/sweeps/test_commands.py runs it on such a clone."""
    cleaning = re.findall(r"`(dvc\s+gc[^`]*)`", README)
    assert len(cleaning) == 2
    assert all(command.endswith("--force") for command in cleaning)


@pytest.mark.parametrize("document", ["README.md", "report.md", "docs/benchmark.md", "release/README.md"])
def test_pictures_and_files_that_are_linked_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    assert linked or document == "release/README.md"
    assert [path for path in linked if not (ROOT / document).parent.joinpath(path).is_file()] == []


@pytest.mark.parametrize(
    "document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("presets/*.yaml")]), ids=str
)
def test_presets_that_are_named_exist(document):
    named = set(re.findall(r"PRESET=(\w+)", document.read_text(encoding="utf-8")))
    assert named <= {path.stem for path in ROOT.glob("presets/*.yaml")} | {"name"}


def test_the_sample_is_what_the_demo_printed():
    sample = re.search(r"<!-- demo -->\n```\n(.*?)```\n<!-- /demo -->", README, flags=re.DOTALL)
    assert sample is not None
    assert sample.group(1) == (ROOT / "docs/demo.txt").read_text(encoding="utf-8")


def test_the_samples_of_every_day_are_as_the_tools_print():
    """Figures are of one run; the tables they stand in are today's."""
    both = {name: 0.9 for name in ("train_noaug", "train_aug")}
    ladder = ladder_file.read(ROOT / "ladder.yaml")
    params = flatten(load_yaml(ROOT / "params.yaml"))
    made = [Experiment(str(seed), "2026-11-25T18:27:00", "success", params | {"seed": seed}, both) for seed in (1, 0)]
    screens = screen.text(made[1], made, list(both)).split()[: 3 + len(both)]
    sample = re.search(r"<!-- experiments -->\n```\n(.*?)```\n<!-- /experiments -->", README, flags=re.DOTALL)
    assert sample is not None
    assert sample[1].split()[: len(screens)] == screens

    runs = sweep.runs(made, list(both), ladder)
    compared = statistics.compare(runs, sweep.pairs(runs, ladder), 0.95)
    printed = keep.text(statistics.summary(runs, 0.95), compared, ["digits"], 0.95)
    kept = re.search(r"<!-- sweep -->\n(.*?)\n<!-- /sweep -->", README, flags=re.DOTALL)
    assert kept is not None
    assert [line for line in printed.splitlines() if line.startswith(("| rung", "| compared"))] == [
        line for line in kept[1].splitlines() if line.startswith(("| rung", "| compared"))
    ]


def test_the_sample_of_own_images_is_as_make_images_prints():
    """Figures are of one folder; the words around them are today's."""
    sample = re.search(r"<!-- images -->\n```\n(.*?)```\n<!-- /images -->", README, flags=re.DOTALL)
    assert sample is not None
    said = "".join((ROOT / f"src/ladder/{name}.py").read_text() for name in ("images/checking", "images/grouping"))
    said += (ROOT / "src/ladder/own_images.py").read_text()
    constant = [
        "pixels: from ",
        "half of them below ",
        "near-duplicates and data.groups: ",
        " images stay together in ",
    ]
    constant += [
        " in the largest (",
        "two images belong",
        " together and lie in two classes, look at them: ",
        " to train, ",
    ]
    constant += [", with what fits these images", "next: `make repro JOBS=", " minutes here if nothing else runs"]
    for words in constant:
        assert words in sample[1]
        assert words in said


@pytest.mark.parametrize("heading", ["### Your own photos", "## Every day"])
def test_pages_for_two_readers_are_short(heading):
    """From the heading to the next one that is no deeper."""
    level = heading.split(" ")[0]
    start = README.index(f"\n{heading}\n") + 1
    end = re.search(rf"^#{{1,{len(level)}}} ", README[start + len(heading) :], flags=re.MULTILINE)
    assert end is not None
    assert README[start : start + len(heading) + end.start()].count("\n") < 60


def test_the_demo_shows_the_metrics_of_models_alone():
    command = (ROOT / "tools/demo.sh").read_text(encoding="utf-8")
    left_out = re.search(r'ls metrics/\*.json \| grep -vE "/\((.*)\)\\.json"', command)
    assert left_out is not None
    written = {out for stage in STAGES.values() for out in outs(stage) if out.startswith("metrics/")}
    others = {f"metrics/{name}.json" for name in left_out.group(1).split("|")}
    assert others == written - {f"metrics/{name}.json" for name in group("evaluate")}


def test_results_and_presets_are_those_of_the_tracked_files(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert results.updated(README) == README, "`make results` brings README.md up to date"


def test_the_seeds_were_trained_as_the_recipes_say():
    section = re.search(r"<!-- seeds -->(.*?)<!-- /seeds -->", (ROOT / "docs/recipes.md").read_text(), flags=re.DOTALL)
    assert section is not None
    given, rungs = section[1].replace("\\\n", " "), re.findall(r"evaluate@(\w+)", section[1])
    assert rungs == re.search(r'RUNGS="(.*?)"', given)[1].split()
    seeds = [int(seed) for seed in re.search(r"'seed=([\d,]+)'", given)[1].split(",")]
    params = flatten(load_yaml(ROOT / "params.yaml"))
    params |= {key: int(value) for key, value in re.findall(r"-S (\w+\.\w+)=(\d+)", given)}
    ladder, source = ladder_file.read(ROOT / "ladder.yaml"), params["data.source"]
    trained = Experiment("", "", "success", params, {})
    expected = [[rung, sweep.recipe(trained, rung, ladder), source, seed] for rung in rungs for seed in seeds]
    runs = pd.read_csv(ROOT / "docs/seeds/runs.csv")
    assert runs[["rung", "recipe", "source", "seed"]].to_numpy().tolist() == expected


def test_the_benchmark_page_is_that_of_the_tracked_files(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs/benchmark.md").read_text(encoding="utf-8")
    assert benchmark.text() == page, "`make results` brings docs/benchmark.md up to date"


def test_what_release_0_1_0_reached_is_what_git_holds():
    section = re.search(r"<!-- before -->\n.*?\(commit (\w+)\)(.*?)<!-- /before -->", README, flags=re.DOTALL)
    assert section is not None
    figures = re.findall(r"`(\w+)`[^`]*? (\d\d\.\d\d)", section[2])
    assert len(figures) == 6
    for name, percent in figures:
        assert float(percent) == pytest.approx(100 * measured(section[1], name)["accuracy"], abs=1e-9)


def test_what_a_release_changed_is_what_the_files_hold():
    section = re.search(
        r"`dvc metrics diff (\w+) main --targets ([^`]*)`.*?<!-- releases -->\n```\n(.*?)```\n<!-- /releases -->",
        README,
        flags=re.DOTALL,
    )
    assert section is not None
    revision, paths, table = section.groups()
    head, _, *rows = (line.split() for line in table.splitlines())
    assert head == ["Path", "Metric", revision, "main", "Change"]
    assert {row[0] for row in rows} == set(paths.split())
    for path, metric, before, now, change in rows:
        name = path.removeprefix("metrics/").removesuffix(".json")
        was, is_now = measured(revision, name)[metric], json.loads((ROOT / path).read_text())[metric]
        printed = [float(before), float(now), float(change)]
        assert printed == pytest.approx([was, is_now, is_now - was], abs=5.1e-6), "DVC prints five digits"


def measured(revision: str, name: str) -> dict:
    """The metrics of a model at a revision."""
    command = ["git", "show", f"{revision}:metrics/{name}.json"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if shown.returncode:
        pytest.skip(f"this clone is shallow and lacks {revision}: {shown.stderr.strip()}")
    return json.loads(shown.stdout)


def test_a_readme_without_a_section_is_refused(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match="one section between <!-- presets -->"):
        results.updated(README.replace("<!-- presets -->", ""))


def test_the_tool_writes_both(tmp_path, monkeypatch):
    for name in ("README.md", "params.yaml", "ladder.yaml", "dvc.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("metrics", "plots", "presets", "docs/seeds"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    best = f"| {100 * json.loads((ROOT / 'metrics/ensemble.json').read_text())['accuracy']:.2f} |"
    assert best in README
    (tmp_path / "README.md").write_text(README.replace(best, "| 99.99 |"), encoding="utf-8")
    runpy.run_path(str(ROOT / "tools/results.py"))["main"]()
    for name in ("README.md", "docs/benchmark.md"):
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()
