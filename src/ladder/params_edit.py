"""Change values in the text of a params file, and leave the rest of the text as it is written.

Works on the places of values in the text, since what ruamel.yaml writes back of a whole file is not what it read:
aliased groups are one object that a change to one changes for all, comments move, `~` and `+1` are written anew.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    SequenceEndEvent,
)

MERGE = "<<"
_ENDS = (MappingEndEvent, SequenceEndEvent)


@dataclass
class _Place:
    """Where a value stands: text[start:end], its anchor included. `items`: what a list or mapping holds, by key."""

    start: int
    end: int
    anchor: str | None
    is_alias: bool = False
    is_flow: bool = True
    items: dict[Any, "_Place"] = field(default_factory=dict)
    merge_key: int = 0  # where `<<` starts, if it is one of the keys


def edit(text: str, before: Any, after: Any) -> str:
    """`text`, which reads as the plain values `before`, changed so that it reads as `after`.

    A value that follows an alias or a merge key, and no longer equals what it follows, is written out.
    """
    events = (event for event in YAML(typ="safe").parse(text) if isinstance(event, (NodeEvent, *_ENDS)))
    changes = _Changes(text)
    changes.visit(_place(text, next(events), events), before, after)
    return changes.made()


def same(old: Any, new: Any) -> bool:
    """Whether a value stays as it is written: 0 for 0.0, but not for false."""
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def flow(value: Any) -> str:
    """A value on one line of YAML."""
    yaml = YAML(typ="safe")
    yaml.width = 2**31
    yaml.default_flow_style = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    written = io.StringIO()
    yaml.dump([value], written)
    return written.getvalue().strip()[1:-1]


def _place(text: str, event: Any, events: Iterator[Event]) -> _Place:
    place = _Place(event.start_mark.index, event.end_mark.index, event.anchor, isinstance(event, AliasEvent))
    if not isinstance(event, CollectionStartEvent):
        return place
    place.is_flow = bool(event.flow_style)
    while not isinstance(inner := next(events), _ENDS):
        if isinstance(event, MappingStartEvent):
            key = getattr(inner, "value", None)
            if key == MERGE:
                place.merge_key = inner.start_mark.index
            place.items[key] = value = _place(text, next(events), events)
            colon = re.match(r"\s*:", text[inner.end_mark.index :])
            if value.start == value.end and colon:  # nothing stands there; ruamel.yaml says: where the next key does
                value.start = value.end = inner.end_mark.index + colon.end()
        else:
            place.items[len(place.items)] = _place(text, inner, events)
    # The end of a block comes after the comments that follow it, the end of its last value does not.
    last = list(place.items.values())[-1:]
    place.end = inner.end_mark.index if place.is_flow or not last else last[0].end
    return place


class _Changes:
    def __init__(self, text: str):
        self.text = text
        self.found: list[tuple[int, int, str]] = []
        self.anchored: dict[str, Any] = {}  # what each anchor met so far will stand for

    def made(self) -> str:
        text = self.text
        for start, end, new in sorted(self.found, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def visit(self, place: _Place, old: Any, new: Any) -> None:
        if place.is_alias:
            if place.anchor not in self.anchored or not same(self.anchored[place.anchor], new):
                self._write(place, new, anchor=None)
            return
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
            followed = self._followed(place.items[MERGE], old) if MERGE in place.items else {}
            for key, inner in place.items.items():
                if key != MERGE:
                    self.visit(inner, old[key], new[key])
            own = {
                k: v for k, v in new.items() if k not in place.items and not (k in followed and same(followed[k], v))
            }
            between = ", " if place.is_flow else "\n" + " " * self._column(place.merge_key)
            self.found += [(place.merge_key, place.merge_key, f"{key}: {flow(own[key])}{between}") for key in own]
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for index, inner in place.items.items():
                self.visit(inner, old[index], new[index])
        elif not same(old, new):
            self._write(place, new, anchor=place.anchor)
        if place.anchor:
            self.anchored[place.anchor] = new

    def _followed(self, place: _Place, old: dict[str, Any]) -> dict[str, Any]:
        """What a mapping will take from the value of its merge key; the first of several goes before the others."""
        if place.is_alias:
            return self.anchored.get(str(place.anchor), {})
        if MERGE in place.items or all(isinstance(key, str) for key in place.items):
            inner = self._followed(place.items[MERGE], old) if MERGE in place.items else {}
            return inner | {key: old[key] for key in place.items if key != MERGE}
        found: dict[str, Any] = {}
        for inner_place in place.items.values():
            found = self._followed(inner_place, old) | found
        return found

    def _write(self, place: _Place, value: Any, anchor: str | None) -> None:
        new = (f"&{anchor} " if anchor else "") + flow(value)
        if not place.is_flow:
            new = "  " + new  # a list may start in the column of its key, a value may not
        if self.text[place.start - 1 : place.start] == ":":
            new = " " + new  # nothing stood there
        # A comment behind the value stays in its column.
        gap = re.match(r" +(?=#)", self.text[place.end :])
        end = place.end + (gap.end() if gap else 0)
        new += " " * max(1, end - place.start - len(new)) if gap else ""
        self.found.append((place.start, end, new))

    def _column(self, index: int) -> int:
        return index - (self.text.rfind("\n", 0, index) + 1)
