"""How far one pass, Monte Carlo dropout and the ensemble know their mistakes: Predictions -> numbers, pictures."""

import pandas as pd

from ladder import params
from ladder.core import runs
from ladder.core.artifacts import files, predictions, sealed, splits
from ladder.core.errors import exit_on_input_error
from ladder.drawing import uncertainty_figures as figures
from ladder.scoring import ensembling, methods, metrics, passes

STUDENT, ENSEMBLE = "distill", "ensemble"
FOLDER, PASSES, PER_IMAGE = "plots/uncertainty", "predictions/mc_dropout", "predictions/uncertainty.npz"
DRAWN = [f"{FOLDER}/{name}" for name in ("scores.csv", "risk_coverage.csv", "reliability.png", "risk_coverage.png")]
SHEETS = ("most_uncertain.png", "confidently_wrong.png")


def main() -> None:
    cfg = params.read()
    roles, shown = {"distill": STUDENT, "teacher": cfg.uncertainty.teacher}, f"{cfg.data.pictures}/uncertainty"
    answered = {name: f"predictions/trained/{name}.npz" for name in roles.values()}
    answered[ENSEMBLE] = f"predictions/voted/{ENSEMBLE}.npz"
    inputs = ["data/split", PASSES, *answered.values()]
    outputs = ["metrics/uncertainty.json", *DRAWN, *(f"{shown}/{name}" for name in SHEETS), PER_IMAGE]
    with runs.stage("uncertainty", lambda p: p.doubts(), inputs=inputs, outputs=outputs) as run:
        test = splits.load_part("data/split", "test")
        models = {name: predictions.load(path) for name, path in answered.items()}
        sampled = {role: passes.load(f"{PASSES}/{name}.npz") for role, name in roles.items()}

        ids = {answered[name]: model.test.ids for name, model in models.items()}
        ids |= {f"{PASSES}/{roles[role]}.npz": found.ids for role, found in sampled.items()}
        ensembling.require_test_images(ids, test.ids)

        compared = {}
        for role, name in roles.items():
            compared[f"{role}_single"] = methods.single(name, "one pass", models[name].test)
            compared[f"{role}_mc"] = methods.averaged(name, sampled[role])
        compared["ensemble"] = methods.single(ENSEMBLE, "vote", models[ENSEMBLE].test)
        per_image = {role: methods.per_image(found) for role, found in sampled.items()}
        columns = {f"{role}_{key}": array for role, arrays in per_image.items() for key, array in arrays.items()}
        sealed.write_npz(PER_IMAGE, {"ids": test.ids, "labels": test.labels, **columns})

        rows = {key: methods.score(method, test.labels, run.params.ece_bins) for key, method in compared.items()}
        for role, values in per_image.items():
            rows[f"{role}_mc"] |= methods.disagreement(values, test.labels)
        curves = methods.curves(compared, test.labels)
        files.write_csv(f"{FOLDER}/scores.csv", methods.table(compared, rows))
        files.write_csv(f"{FOLDER}/risk_coverage.csv", pd.DataFrame({"coverage": methods.COVERAGE, **curves}))
        metrics.save("uncertainty", methods.headline(rows))

        figures.risk_coverage(f"{FOLDER}/risk_coverage.png", compared, rows, curves)
        figures.reliability(f"{FOLDER}/reliability.png", compared, rows, test.labels, run.params.ece_bins)
        named = splits.load_files("data/split")
        figures.sheets(shown, compared["distill_mc"], per_image["distill"], test, models[STUDENT].classes, named)
    print(methods.describe(compared, rows))


if __name__ == "__main__":
    exit_on_input_error(main)
