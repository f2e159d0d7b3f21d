"""What a recipe starts from: nothing, or ImageNet weights, which are found, verified and kept in one form."""

from ladder.core import runs
from ladder.core.artifacts import pretrained
from ladder.core.errors import exit_on_input_error


def main(group: str) -> None:
    folder, inputs = f"data/weights/{group}", ["assets/weights"]
    with runs.stage(f"weights@{group}", lambda p: p.weights(group), inputs=inputs, outputs=[folder]) as run:
        if run.params.weights == "scratch":
            found = None
        else:
            from ladder.pretrained import sources  # brings torch and timm: seconds

            found = sources.find(run.params.arch)
        pretrained.save(folder, found)
    print(
        f"weights@{group}: {run.params.arch}, {f'{found.origin}, sha256 {found.sha256}' if found else 'from scratch'}"
    )


if __name__ == "__main__":
    exit_on_input_error(main)
