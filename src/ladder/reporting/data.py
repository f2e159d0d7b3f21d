"""What the page says of the data: what stands in it twice, doubtful labels, and what corruptions cost."""

from typing import Any

from ladder.reporting import tracked

OVERLAPS = "plots/data/overlaps.csv"
CORRUPTED = "plots/corruptions/accuracies.csv"


def shown(pictures: str) -> list[str]:
    """The pictures of `inspect`, `labels` and `corruptions` that the page holds; those of images lie in `pictures`."""
    of_images = [f"{pictures}/{name}.png" for name in ("data/near_duplicates", "labels/doubtful")]
    return [*of_images, "plots/corruptions/accuracies.png"]


def values() -> dict[str, Any]:
    """What the section's template is filled with. Raises: InputError for a table that is missing."""
    return {
        "overlaps": tracked.rows(OVERLAPS, ("part", "images", "again_in", "exact", "near", "near_share")),
        "corrupted": _by_corruption(),
    }


def _by_corruption() -> dict[str, Any]:
    """A row for each corruption and strength, with the accuracies of `models` in their order.

    `images`: how many each was scored on; `half`: of the widest interval, as a fraction.
    """
    columns = ("model", "corruption", "strength", "images", "accuracy", "accuracy_low", "accuracy_high")
    rows = tracked.rows(CORRUPTED, columns)
    found: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        found.setdefault((row["corruption"], row["strength"]), []).append(row["accuracy"])
    return {
        "models": list(dict.fromkeys(row["model"] for row in rows)),
        "images": rows[0]["images"],
        "half": max(row["accuracy_high"] - row["accuracy_low"] for row in rows) / 2,
        "rows": [{"what": kind, "strength": strength, "accuracies": of} for (kind, strength), of in found.items()],
    }
