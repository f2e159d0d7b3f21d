"""One training over several processes: each step's batch is divided, and gradients are averaged (PyTorch's
DistributedDataParallel: gloo between CPUs, NCCL between GPUs; Li et al. 2020, arXiv:2006.15704).

Started by torchrun's launcher on one machine; with LADDER_NODES and LADDER_RENDEZVOUS (host:port) set, on several at
once, which has not been tried yet, and neither have GPUs. The processes do no more than take the resume state of the
run to its last epoch. The stage then goes on from there as it does after a kill: so there is one writer of outputs,
and nothing else knows of processes.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ladder.core.errors import InputError


@dataclass(frozen=True)
class World:
    """The processes that share a training: how many, which one this is, and whether it writes (one on each machine)."""

    size: int
    rank: int
    writes: bool

    def share(self, batch: Tensor) -> Tensor:
        """This process' part of a batch (B, ...): parts differ by one image at the most."""
        return batch.tensor_split(self.size)[self.rank] if self.size > 1 else batch

    def weight(self, part: int, whole: int) -> float:
        """What the mean loss over a part of a batch is multiplied by, so that averaged gradients are the batch's."""
        return self.size * part / whole

    def sum(self, value: float | Tensor) -> float:
        """The sum over all processes."""
        return float(self.total(torch.as_tensor(value)))

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes, element by element."""
        total = value.clone()
        if self.size > 1:
            dist.all_reduce(total)
        return total


def world() -> World:
    """The processes that this one was started with; by itself it is a world of one."""
    if not dist.is_initialized():
        return World(1, 0, True)
    return World(dist.get_world_size(), dist.get_rank(), os.environ["LOCAL_RANK"] == "0")


def run(name: str, processes: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(*arguments)` in so many processes that are connected, and wait for them to end.

    Args:
        work: a module's function; its arguments are pickled. It ends for all alike, or by an error.
    Raises: InputError with the message of `work`'s own, or naming the process that died: the others are stopped then.
    """
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # slow, and rarely needed
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    nodes = int(os.environ.get("LADDER_NODES", "1"))
    with tempfile.TemporaryDirectory() as logs:  # or the launcher leaves a folder behind
        config = LaunchConfig(
            min_nodes=nodes,
            max_nodes=nodes,
            nproc_per_node=processes,
            run_id=name,
            rdzv_backend="c10d",
            rdzv_endpoint=os.environ.get("LADDER_RENDEZVOUS", "localhost:0"),
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            answers = elastic_launch(config, _connected)(work, arguments)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            raise InputError(
                f"process {rank} of {nodes * processes} ended with {failure.signal_name() or failure.exitcode}, and"
                " the others were stopped: see the messages above; the same command goes on after the last whole epoch"
            ) from None
    for answer in answers.values():
        if answer is not None:
            raise InputError(answer)


def parallel(model: nn.Module, synchronized: bool) -> nn.Module:
    """The model as one of the processes trains it: gradients are averaged over all.

    Args:
        synchronized: BatchNorm's statistics are those of the whole batch, as one process would have them; otherwise
            each process normalizes its part by itself (quicker; the result then depends on how many there are).
    """
    if synchronized:
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                kind = type(module)
                module.__class__ = type(f"Synchronized{kind.__name__}", (_SynchronizedBatchNorm, kind), {})
    return nn.parallel.DistributedDataParallel(model)


class _SynchronizedBatchNorm(_BatchNorm):
    """BatchNorm over the parts of all processes, on any device (PyTorch's own, for GPUs alone, has no CPU kernel)."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        if not self.training:
            return super().forward(x)
        norm: Any = self  # one with weights, running statistics and a momentum, as all of timm's are
        x32 = x.float()
        count = _Sum.apply(x32.new_tensor([x32.numel() / x32.shape[1]]))
        mean = _Sum.apply(x32.sum((0, 2, 3))) / count  # (C,)
        centered = x32 - mean[:, None, None]
        variance = _Sum.apply((centered**2).sum((0, 2, 3))) / count
        with torch.no_grad():
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        x = (centered * scale[:, None, None] + norm.bias[:, None, None]).to(x.dtype)
        return norm.act(norm.drop(x)) if isinstance(self, BatchNormAct2d) else x


class _Sum(torch.autograd.Function):
    """Sum over all processes, of gradients too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def _connected(work: Callable[..., None], arguments: tuple) -> str | None:
    """In a process of its own: connect to the others, work, and return the message of an InputError."""
    on_gpu = torch.cuda.is_available() and torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.set_num_threads(max(1, torch.get_num_threads() // int(os.environ["LOCAL_WORLD_SIZE"])))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        work(*arguments)
    except InputError as error:
        return str(error)
    finally:
        dist.destroy_process_group()
    return None
