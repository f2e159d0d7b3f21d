"""The answers of `python -m ladder.predict` as people and programs read them, and what is said beside them."""

import contextlib
import csv
import io
import json
import os
import sys
from typing import Any

from ladder.images.names import padded, printable, width

Records = list[dict[str, Any]]


def as_json(found: Records, model: str, about: str) -> str:
    return json.dumps({"model": model, "about": about, "images": found}, indent=2)


def as_csv(found: Records) -> str:
    """A row for each image: file, class, probability, any uncertainty, runners-up as class_2, probability_2, ..."""
    scores = [key for key in ("entropy", "mutual_information") if found and key in found[0]]
    others = range(2, max((len(image["top"]) for image in found), default=1) + 1)
    names = [f"{key}_{place}" for place in others for key in ("class", "probability")]
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(["file", "class", "probability", *scores, *names])
    for image in found:
        runners_up = [value for other in image["top"][1:] for value in (other["class"], other["probability"])]
        rows.writerow([image["file"], image["class"], image["probability"], *map(image.get, scores), *runners_up])
    return written.getvalue().rstrip("\n")


def as_table(found: Records) -> str:
    """The records as aligned columns."""
    with_scores, runners_up = "entropy" in found[0], len(found[0]["top"]) > 1
    rows = [["file", "class", "probability"] + ["entropy", "mutual information"] * with_scores + ["then"] * runners_up]
    for image in found:
        row = [image["file"], image["class"], f"{image['probability']:.1%}"]
        if with_scores:
            row += [f"{image['entropy']:.3f}", f"{image['mutual_information']:.4f}"]
        if runners_up:
            row.append(", ".join(f"{other['class']} {other['probability']:.1%}" for other in image["top"][1:]))
        rows.append([printable(cell) for cell in row])
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(padded, row, widths)).rstrip() for row in rows)


def tell(line: str) -> None:
    """One line on stderr, whatever the names in it; where stderr is closed or full nobody is to be told."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(printable(line), file=sys.stderr, flush=True)


def write(answer: str) -> bool:
    """Print the answer; False, and a line on stderr, where nothing takes it: a closed pipe, a full disk."""
    if not answer:
        return True
    try:
        if sys.stdout is None:
            raise OSError("standard output is closed")
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # class names are anybody's
        print(answer, flush=True)
    except OSError as error:
        tell(f"predict: the answer could not be written ({error.strerror or error})")
        if sys.stdout is not None:  # else Python tries again at its end, and says so
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
