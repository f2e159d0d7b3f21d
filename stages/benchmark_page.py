"""Show what `benchmark` measured: its tables and picture -> benchmark.html.

A stage of its own, so that a change to a sentence measures nothing again.
"""

from ladder import params
from ladder.core import runs
from ladder.core.errors import exit_on_input_error
from ladder.reporting import benchmark, markdown

PAGE = "benchmark.html"
INPUTS = [benchmark.TABLE, benchmark.MACHINE, benchmark.PICTURE]


def main() -> None:
    with runs.stage("benchmark_page", lambda p: params.Group(), inputs=[*INPUTS, markdown.TEMPLATES], outputs=[PAGE]):
        markdown.write(PAGE, benchmark.html())
    print(f"benchmark_page: {PAGE}")


if __name__ == "__main__":
    exit_on_input_error(main)
