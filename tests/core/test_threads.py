"""A stage computes with the threads that its params say, whatever the surroundings say."""

import json
import os
import subprocess
import sys

import pytest

from imports import SRC

IMPORT = "import numpy, scipy.linalg, torch"
SHOW = """
import json, threadpoolctl
from onnx import TensorProto, helper
from ladder.deploy import onnx_runtime
tensor = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", [tensor],
                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
session = onnx_runtime.session(helper.make_model(graph, ir_version=10).SerializeToString())
torch.ones(2, requires_grad=True).sum().backward()
print(json.dumps({
    "pools": sorted({pool["num_threads"] for pool in threadpoolctl.threadpool_info()}),
    "torch": torch.get_num_threads(),
    "onnxruntime": session.get_session_options().intra_op_num_threads,
}))
"""


@pytest.mark.parametrize(
    ("asked", "surroundings", "loaded"),
    [(3, "1", "before"), (1, "3", "before"), (1, None, "before"), (1, "3", "after"), (1, None, "after")],
)
def test_every_library_computes_with_the_threads_that_were_asked_for(asked, surroundings, loaded):
    limit = f"from ladder.core import threads; threads.limit({asked})"
    lines = [IMPORT, limit] if loaded == "before" else [limit, IMPORT]
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    if surroundings:
        environment["OMP_NUM_THREADS"] = surroundings
    command = [sys.executable, "-c", "\n".join([*lines, SHOW])]
    done = subprocess.run(command, env=environment | {"PYTHONPATH": str(SRC)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"pools": [asked], "torch": asked, "onnxruntime": asked}


def test_without_a_limit_onnx_runtime_takes_all_cores():
    shown = SHOW.replace('"pools"', '"nothing"')
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    done = subprocess.run([sys.executable, "-c", f"{IMPORT}\n{shown}"], env=environment, capture_output=True, text=True)
    assert json.loads(done.stdout)["onnxruntime"] == 0, done.stderr
