"""YAML reduced to plain data: no anchors, aliases, tags or repeated keys, and bounded throughout.

Aliases let a few lines grow into gigabytes, tags construct what nobody asked for, and of a repeated
key YAML would silently keep the last.
"""

from __future__ import annotations

from collections.abc import Hashable

import yaml
from yaml.events import AliasEvent, CollectionStartEvent, NodeEvent, ScalarEvent
from yaml.nodes import MappingNode, Node, ScalarNode

from server.repository.names import shown

MAX_DEPTH = 12
MAX_NODES = 50_000
MAX_NUMBER = 64

_TEXT = "tag:yaml.org,2002:str"


class PlainYamlError(Exception):
    """The text is not plain YAML; the message says at which line, and why."""


def load(text: str) -> object:
    """The one document in `text`, None where it is empty. Raises PlainYamlError."""
    try:
        loader = _PlainLoader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise PlainYamlError(f"{where}{error.problem or error.context}") from None
    except yaml.YAMLError:
        raise PlainYamlError("contains characters that YAML does not allow") from None
    except ValueError as error:
        # Dates, numbers and the like that look right and are not, such as 2026-02-31.
        raise PlainYamlError(f"a value cannot be read: {str(error)[:80]}") from None


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, stopped at everything that is more than plain data."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: object = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, NodeEvent):
            self._check(event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, ScalarNode) and node.tag != _TEXT and len(node.value) > MAX_NUMBER:
            # YAML's numbers to the base of 60 take quadratic time and overflow.
            raise _refused(f"a number has more than {MAX_NUMBER} characters", node)
        return node

    def _check(self, event: NodeEvent) -> None:
        self._nodes += 1
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise _refused("anchors and aliases are not allowed", event)
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise _refused("tags are not allowed", event)
        if self._depth >= MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", event)
        if self._nodes > MAX_NODES:
            raise _refused(f"more than {MAX_NODES} values", event)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise _refused("a key must be a single word", key)
            if key.value in seen:
                raise _refused(f"key {shown(key.value)} is given twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refused(reason: str, place: Node | NodeEvent) -> PlainYamlError:
    return PlainYamlError(
        f"line {place.start_mark.line + 1}: {reason}" if place.start_mark else reason
    )
