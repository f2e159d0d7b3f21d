"""What several seeds say of the ladder's methods: docs/seeds, which a sweep keeps, for the report and README."""

from ladder.reporting import tracked

FOLDER = "docs/seeds"
MAKER = f"make sweep OUT={FOLDER}"
TABLE, TEXT, PICTURE = (f"{FOLDER}/{name}" for name in ("runs.csv", "sweep.md", "sweep.png"))


def text(source: str) -> str:
    """The sweep's tables in Markdown; nothing where it was made of other images than those of `source`.

    Args:
        source: of images, as `data.source` names it.
    Raises: InputError naming the command that writes them, if the files are missing or damaged.
    """
    sources = {row["source"] for row in tracked.rows(TABLE, ("source",), MAKER)}
    return tracked.text(TEXT, MAKER) if sources == {source} else ""
