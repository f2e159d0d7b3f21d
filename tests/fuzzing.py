"""How long property-based tests look: as short as a test should be, or as LADDER_FUZZ_EXAMPLES says."""

import os

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
