"""Write what the tracked run gave, and what the presets say of themselves, into README.md and docs/: `make results`."""

from pathlib import Path

from ladder.core.errors import exit_on_input_error
from ladder.reporting import benchmark, markdown, results

README, BENCHMARK = Path("README.md"), Path("docs/benchmark.md")


def main() -> None:
    readme, page = results.updated(README.read_text(encoding="utf-8")), benchmark.text()
    markdown.write(README, readme)
    markdown.write(BENCHMARK, page)
    print(f"results: {README} and {BENCHMARK} hold the figures of metrics/ and plots/, and the heads of presets/")


if __name__ == "__main__":
    exit_on_input_error(main)
