"""NumPy's arrays as tensors."""

import warnings

import numpy as np
import torch
from torch import Tensor


def over(array: np.ndarray) -> Tensor:
    """A tensor over the array's own memory. Nobody may write to it where the array is read-only, as mapped ones are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # torch knows no read-only tensors
        return torch.from_numpy(array)
