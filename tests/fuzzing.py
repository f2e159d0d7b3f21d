"""How long property-based tests look: as short as a test should be, or as LADDER_FUZZ_EXAMPLES says."""

import os
from collections import Counter

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("LADDER_FUZZ_EXAMPLES")


def bounded(examples: int) -> settings:
    """Settings for so many examples, the same ones each time; a long run draws new ones."""
    return settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=not EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example writes its files anew
    )


COUNTS: Counter[tuple[str, ...]] = Counter()


def count(*kind: str) -> None:
    """One more example of a kind, for the table at the end of a long run."""
    COUNTS[kind] += 1
