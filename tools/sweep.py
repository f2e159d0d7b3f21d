"""What several seeds say: mean, deviation and interval per rung, comparisons paired by seed: `make sweep`."""

from pathlib import Path

from ladder import ladder_file, params
from ladder.core.errors import exit_on_input_error
from ladder.sweeps import arguments, experiments, keep, statistics, sweep


def main(*given: str) -> None:
    ladder, confidence = ladder_file.read(), params.read().report.confidence
    asked = arguments.read(given, ladder, keeps=True)
    _, found = experiments.read(asked.rev)
    runs = sweep.runs(found, asked.models, ladder)
    summary = statistics.summary(runs, confidence)
    compared = statistics.compare(runs, sweep.pairs(runs, ladder), confidence)
    print(keep.text(summary, compared, runs["source"].unique(), confidence))
    if asked.out:
        print("kept:", *keep.write(Path(asked.out), runs, summary, compared, confidence), sep="\n  ")


if __name__ == "__main__":
    exit_on_input_error(main)
