"""Time every architecture and engine: checkpoints, ONNX models and their metrics -> table, picture, headline figures.

The only stage whose outputs are not the same bytes each time: they are measurements of a machine.
"""

import torch

from ladder.core import runs
from ladder.core.artifacts import files, splits
from ladder.core.errors import exit_on_input_error
from ladder.deploy import benchmark, latency
from ladder.drawing import benchmark_plots
from ladder.scoring import metrics
from ladder.training import devices

IMAGES = 512
FOLDER = "plots/benchmark"
OUTPUTS = [
    *(f"{FOLDER}/{name}" for name in ("benchmark.csv", "machine.csv", "benchmark.png")),
    "metrics/benchmark.json",
]


def main() -> None:
    deployed = [f"{rung}_{precision}" for rung in benchmark.DEPLOYED for precision in benchmark.PRECISIONS]
    inputs = ["data/split", "deployed", *(f"models/{rung}" for rung in benchmark.RUNGS)]
    inputs += [f"metrics/{name}.json" for name in (*benchmark.RUNGS, *deployed)]
    with runs.stage("benchmark", lambda p: p.benchmarking(), inputs=inputs, outputs=OUTPUTS) as run:
        hardware, queries, seconds = run.params.hardware, run.params.queries, run.params.seconds
        device = devices.select(hardware)
        images = splits.load_part("data/split", "test").images[:IMAGES].copy()  # what is timed is in memory
        threads = sorted({1, torch.get_num_threads()})

        chosen = benchmark.variants(hardware, device.type)
        table, timed, others = benchmark.measure(chosen, images, queries, seconds, threads)
        conditions = benchmark.conditions(images, timed, threads, others)
        files.write_csv(f"{FOLDER}/benchmark.csv", table)
        files.write_csv(f"{FOLDER}/machine.csv", conditions)
        processor = conditions.set_index("what")["value"]["processor"]
        benchmark_plots.accuracy_against_latency(f"{FOLDER}/benchmark.png", table, processor)
        metrics.save("benchmark", benchmark.headlines(table))
    if others > latency.BUSY:
        print(f"benchmark: other programs used {others:.2f} cores meanwhile: run it again on an idle machine")


if __name__ == "__main__":
    exit_on_input_error(main)
