"""What a rung starts from: nothing, or ImageNet weights, which are found, verified and kept in one form."""

from ladder.core import runs
from ladder.core.artifacts import pretrained
from ladder.core.errors import exit_on_input_error


def main(rung: str) -> None:
    folder, inputs = f"data/weights/{rung}", ["assets/weights"]
    with runs.stage(f"weights@{rung}", lambda p: p.weights(rung), inputs=inputs, outputs=[folder]) as run:
        if run.params.weights == "scratch":
            found = None
        else:
            from ladder.pretrained import sources  # brings torch and timm: seconds

            found = sources.find(run.params.arch)
        pretrained.save(folder, found)
    print(f"weights@{rung}: {run.params.arch}, {f'{found.origin}, sha256 {found.sha256}' if found else 'from scratch'}")


if __name__ == "__main__":
    exit_on_input_error(main)
