"""Git's merge driver for dvc.lock: python -m ladder.running.lock_merge BASE OURS THEIRS PATH

`make setup` registers it, .gitattributes names it. It unites dvc.lock stage by stage: an entry that changed on one side
alone is taken from there, one that changed on both alike is taken once. One that changed on both differently is kept as
it is on our side (in a rebase: that of the branch which is rebased onto), named, and left to Git as a conflict.

Why ours, and neither no entry nor a mixture: an entry is a record, "from these inputs came these outputs", and each
side's is true. DVC compares it with the tree and runs the stage if the inputs are others, so a true record that does
not fit costs time and never a wrong result, whereas a mixture would be a record of what never ran. Without an entry
`dvc pull` and `dvc checkout` would lose outputs that still exist.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from dvc.utils.serialize import ParseError, dumps_yaml, parse_yaml_for_update

SCHEMA = "2.0"  # of DVC 2 and 3
LABELS = ("-L", "ours", "-L", "base", "-L", "theirs")
Content = dict[str, Any]


def main(base: str, ours: str, theirs: str, path: str) -> int:
    """Write the union over the file `ours`. Returns Git's code: 0, or 1 for a conflict."""
    try:
        sides = [_read(Path(file)) for file in (base, ours, theirs)]
    except (ParseError, ValueError) as error:
        print(f"{path}: {error}: merged as text instead", file=sys.stderr)
        return min(subprocess.run(["git", "merge-file", *LABELS, ours, base, theirs]).returncode, 1)
    merged, both = unite(*sides)
    Path(ours).write_text(dumps_yaml(merged) if merged else "", encoding="utf-8", newline="\n")
    if both:
        print(
            f"{path}: changed on both sides, and kept as ours: {', '.join(both)}. Once the other files are merged, `dvc"
            f" repro` runs what of this does not fit them (`--pull`: or fetches it); then `git add {path}`",
            file=sys.stderr,
        )
    return 1 if both else 0


def unite(base: Content, ours: Content, theirs: Content) -> tuple[Content, list[str]]:
    """The contents of three dvc.lock files -> theirs and ours in one, and what changed on both sides differently."""
    keys = [key for key in (*ours, *theirs) if key != "stages"]
    merged, both = _unite(*({key: side[key] for key in keys if key in side} for side in (base, ours, theirs)))
    stages, more = _unite(*(side.get("stages") or {} for side in (base, ours, theirs)))
    if stages or "stages" in ours or "stages" in theirs:
        merged["stages"] = stages
    return merged, both + more


def _unite(base: Content, ours: Content, theirs: Content) -> tuple[Content, list[str]]:
    """Key by key, a missing key being a value like others; in our order, what only the others have at the end."""
    merged, both = {}, []
    for key in dict.fromkeys((*ours, *theirs)):
        before, here, there = base.get(key), ours.get(key), theirs.get(key)
        if here != there and here != before != there:
            both.append(key)
            chosen = here if key in ours else there  # deleted here and changed there: a record more does no harm
        else:
            chosen = there if here == before else here
        if chosen is not None:
            merged[key] = chosen
    return merged, both


def _read(file: Path) -> Content:
    """A dvc.lock as DVC reads it; empty where there is none on this side. Raises ValueError if it is none."""
    content = parse_yaml_for_update(file.read_text(encoding="utf-8"), str(file))
    stages = content.get("stages") if isinstance(content, dict) else None
    if content and (not isinstance(content, dict) or content.get("schema") != SCHEMA):
        raise ValueError(f"not a dvc.lock of schema {SCHEMA}")
    if stages is not None and not isinstance(stages, dict):
        raise ValueError("its `stages` are no mapping")
    return content


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
