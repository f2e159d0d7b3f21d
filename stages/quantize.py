"""Deploy two rungs as ONNX: Checkpoints -> float, dynamic int8 and static int8 models, and their Predictions."""

import numpy as np

from ladder.core import runs
from ladder.core.artifacts import checkpoints, predictions, splits
from ladder.core.errors import exit_on_input_error
from ladder.core.types import Logits, Part, Predictions, Split
from ladder.deploy import onnx_files, onnx_runtime, quantization
from ladder.params import Quantizing
from ladder.training import models

RUNGS = ("distill", "train_resnet")
PRECISIONS = {"float": "float32", "dynamic": "dynamic int8", "static": "static int8"}
CHECKED_IMAGES = 500


def main() -> None:
    inputs = [
        "data/split",
        *(f"models/{rung}" for rung in RUNGS),
        *(f"predictions/trained/{rung}.npz" for rung in RUNGS),
    ]
    answers = [f"predictions/deployed/{rung}_{kind}.npz" for rung in RUNGS for kind in PRECISIONS]
    with runs.stage("quantize", lambda p: p.quantizing(), inputs=inputs, outputs=["deployed", *answers]) as run:
        split = splits.load("data/split")
        calibration = quantization.spread(split.train.images, run.params.calibration_images)
        for rung in RUNGS:
            quantize(rung, split, calibration, run.params)


def quantize(rung: str, split: Split, calibration: np.ndarray, how: Quantizing) -> None:
    """Write the three models of one rung, each with its JSON and its predictions; images arrive at the split's size."""
    classifier = models.restore(checkpoints.load(f"models/{rung}"))
    trained = predictions.load(f"predictions/trained/{rung}.npz").provenance
    model = quantization.export(classifier, split.val.images.shape[-1])
    difference = quantization.check(model, classifier, split.val.images[:CHECKED_IMAGES])
    print(f"{rung}: logits of PyTorch and ONNX Runtime differ by at most {difference:.1e}", flush=True)

    sizes = {name: len(getattr(split, name)) for name in splits.PARTS}
    for kind, made in quantization.variants(model, calibration, how.coverage, how.max_sensitivity).items():
        data, precision = made.SerializeToString(), PRECISIONS[kind]
        provenance = trained | {"precision": precision}
        about = {"classes": list(split.classes), **splits.taken(split), "fit": split.fit, "images": sizes, **provenance}
        onnx_files.save(f"deployed/{rung}_{kind}.onnx", data, about)
        val, test = (_answers(data, part) for part in (split.val, split.test))
        predictions.save(f"predictions/deployed/{rung}_{kind}.npz", Predictions(val, test, split.classes, provenance))
        accuracy = (val.logits.argmax(1) == val.labels).mean()
        print(f"{rung}: {precision} {len(data) / 1e6:.2f} MB, validation accuracy {accuracy:.2%}", flush=True)


def _answers(model: bytes, part: Part) -> Logits:
    return Logits(onnx_runtime.predict(model, part.images), part.labels, part.ids)


if __name__ == "__main__":
    exit_on_input_error(main)
