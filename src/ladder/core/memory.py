"""Running out of memory names the params that it goes by."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ladder.core import machine
from ladder.core.errors import InputError


@contextmanager
def lowering(values: Mapping[str, int]) -> Iterator[None]:
    """Turn running out of memory in the block into an InputError that names params to lower to half: name -> value."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not machine.is_out_of_memory(error):
            raise
        advice = " or ".join(f"{name} from {value} to {max(1, value // 2)}" for name, value in values.items())
        raise InputError(
            f"out of memory ({machine.first_line(error)}): lower {advice} in params.yaml, or run fewer stages at a time"
            " (`make repro JOBS=1`)"
        ) from error
