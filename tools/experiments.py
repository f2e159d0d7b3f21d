"""The experiments of a commit on one screen: `make experiments RUNGS="train_noaug train_aug"`."""

from ladder import ladder_file
from ladder.core.errors import exit_on_input_error
from ladder.sweeps import arguments, experiments, screen


def main(*given: str) -> None:
    asked = arguments.read(given, ladder_file.read())
    commit, found = experiments.read(asked.rev)
    print(screen.text(commit, found, asked.models))


if __name__ == "__main__":
    exit_on_input_error(main)
