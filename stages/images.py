"""A published source's files, verified -> one canonical file, the same wherever they came from."""

from pathlib import Path

from ladder import params
from ladder.core import runs
from ladder.core.errors import exit_on_input_error
from ladder.images import canonical, published


def main() -> None:
    folder = Path("data/raw", params.read().data.source)
    with runs.stage("images", lambda p: p.images(), inputs=[], outputs=[folder]) as run:
        contents = published.read(run.params.source, runs.root() / "data/archives")
        canonical.write(folder, contents)
    kept = f"{len(contents):,} files, verified" if contents else "nothing to keep, your own are read where they lie"
    print(f"images: {run.params.source}: {kept}")


if __name__ == "__main__":
    exit_on_input_error(main)
