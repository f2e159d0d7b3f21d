"""What all stages stand on. Its import, their first, is where the code that runs begins to be recorded."""

import sys

from ladder.core import sources

sources.record()

from ladder.core import errors  # noqa: E402  # recorded, too

sys.excepthook = errors.tell_before_main
