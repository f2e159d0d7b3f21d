"""The CPU threads that a stage computes with. Sums are divided between them, so results depend on their number."""

import os
import sys

import threadpoolctl

# What libraries read when they are loaded, here or in a process that this one starts.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_limit: int | None = None


def limit(count: int) -> None:
    """Compute with so many from here on: NumPy, SciPy, PyTorch and ONNX Runtime, loaded already or later.

    PyTorch, if it is loaded later, takes no more than there are cores.
    """
    global _limit
    _limit = count
    os.environ.update(dict.fromkeys(VARIABLES, str(count)))
    threadpoolctl.threadpool_limits(count)
    if "torch" in sys.modules:  # it tells the threads that run backward passes itself
        sys.modules["torch"].set_num_threads(count)


def limited() -> int | None:
    """What `limit` was told, for libraries that have to be told each time; None: nothing."""
    return _limit
