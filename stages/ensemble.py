"""Soft voting of trained rungs: their Predictions -> Predictions."""

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import predictions
from ladder.core.errors import exit_on_input_error
from ladder.scoring import ensembling


def main() -> None:
    members = {name: f"predictions/trained/{name}.npz" for name in params.read().ensemble.members}
    output = "predictions/voted/ensemble.npz"
    with runs.stage("ensemble", lambda p: p.voting(), inputs=list(members.values()), outputs=[output]) as run:
        answers = {name: predictions.load(path) for name, path in members.items()}
        voted = ensembling.vote(answers, run.params.vote, run.params.weights)
        predictions.save(output, voted)
    shares = ", ".join(f"{name} {share:.3f}" for name, share in voted.provenance["members"].items())
    print(f"ensemble: {run.params.vote} of {shares}")


if __name__ == "__main__":
    exit_on_input_error(main)
