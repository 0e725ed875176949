"""Values made from the schemas of an OpenAPI document, where it has no examples.  Pure.

What is made is plain and the same each time.  It is a guess at what a schema allows: whoever sends it has openapi-core
judge it first, and makes another one if need be.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..web.openapi import Node

__all__ = ["make_values"]

_FORMATS = {
    "byte": "dGV4dA==", "date": "2024-01-31", "date-time": "2024-01-31T12:00:00Z", "duration": "P1D",
    "email": "user@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
    "time": "12:00:00", "uri": "https://example.com/", "uri-reference": "/", "url": "https://example.com/",
    "uuid": "6f1f8e3c-5a0e-4f52-9a2c-1c9b0d3e7a10",
}  # fmt: skip
_MOST_REPEATED = 10_000  # of a part of a pattern, which may ask for more than a body can have
_HINTS = {  # what tells the type of a schema that names none
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "multipleOf"),
}


class _Endless(Exception):
    """A schema holds itself, so that no value of it would have an end."""


def make_values(schema: Node) -> Iterator[Any]:
    """Make values of a schema, the fullest first; none of one that holds itself."""
    for choice, is_full, has_examples in (
        (0, True, True), (0, True, False), (0, False, False), (1, True, False), (1, False, False), (2, True, False),
    ):  # fmt: skip
        try:
            yield _Maker(choice, is_full=is_full, has_examples=has_examples).make(schema)
        except _Endless:
            continue


@dataclass
class _Schema:
    """A schema with what its ``allOf`` and the alternative that was chosen add to it."""

    keywords: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)  # of items, prefixItems and additionalProperties
    properties: dict[str, list[Node]] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)  # what a discriminator wants of a property
    seen: set[int] = field(default_factory=set)

    def add(self, schema: Node, choice: int) -> None:
        """Add what a schema says, which does not take the place of what others have said."""
        contents = schema.contents
        if not isinstance(contents, dict) or id(contents) in self.seen:
            return
        self.seen.add(id(contents))
        self.keywords = {**contents, **self.keywords}
        for keyword in ("items", "prefixItems", "additionalProperties"):
            node = schema.get(keyword)
            if node is not None:
                self.nodes.setdefault(keyword, node)
        self.required += contents.get("required") or []
        for name, node in (schema.get("properties") or Node({}, None)).items():
            self.properties.setdefault(name, []).append(node)
        for keyword in ("allOf", "oneOf", "anyOf"):
            nodes = (schema.get(keyword) or Node([], None)).list()
            if keyword != "allOf" and nodes:
                number = choice % len(nodes)
                nodes = nodes[number : number + 1]
                self.named |= _read_discriminator(contents, contents[keyword][number])
            for node in nodes:
                self.add(node, choice)

    def find_type(self) -> str:
        """The type that it names, or else what it says of its values hints at."""
        kind = self.keywords.get("type")
        if isinstance(kind, list):
            return str(next((each for each in kind if each != "null"), "null"))
        if isinstance(kind, str):
            return kind
        return next((name for name, hints in _HINTS.items() if not self.keywords.keys().isdisjoint(hints)), "string")


def _read_discriminator(contents: dict[str, Any], chosen: Any) -> dict[str, str]:
    """The property that says which alternative was chosen, and its value."""
    discriminator = contents.get("discriminator")
    reference = chosen.get("$ref") if isinstance(chosen, dict) else None
    if not isinstance(discriminator, dict) or not isinstance(reference, str):
        return {}
    name = reference.rpartition("/")[2]
    mapping = discriminator.get("mapping") or {}
    value = next((key for key, to in mapping.items() if to in (reference, name)), name)
    return {str(discriminator.get("propertyName")): str(value)}


class _Maker:
    """Makes one value."""

    def __init__(self, choice: int, *, is_full: bool, has_examples: bool) -> None:
        self._choice = choice  # which of several alternatives is taken
        self._is_full = is_full  # properties that are not required are there, too
        self._has_examples = has_examples  # examples and defaults in the schema are used
        self._open: list[int] = []  # the schemas of which a value is being made

    def make(self, node: Node) -> Any:
        """Make a value, or raise `_Endless`."""
        schema = _Schema()
        schema.add(node, self._choice)
        known = schema.keywords
        if "const" in known:
            return known["const"]
        if self._has_examples:
            for keyword in ("example", "default"):
                if keyword in known:
                    return known[keyword]
            if isinstance(known.get("examples"), list) and known["examples"]:
                return known["examples"][0]
        if known.get("enum"):
            return next((value for value in known["enum"] if value is not None), None)
        if not schema.seen.isdisjoint(self._open):
            raise _Endless
        before = len(self._open)
        self._open += schema.seen
        kind = schema.find_type()
        try:
            if kind == "object":
                return self._make_object(schema)
            if kind == "array":
                return self._make_array(schema)
        except _Endless:
            if known.get("nullable") or "null" in (known.get("type") or ()):
                return None
            raise
        finally:
            del self._open[before:]
        if kind in ("integer", "number"):
            return _make_number(known, is_whole=kind == "integer")
        return _make_text(known) if kind not in ("boolean", "null") else kind == "boolean" or None

    def _make_object(self, schema: _Schema) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, nodes in schema.properties.items():
            is_required = name in schema.required
            if any(node.read("writeOnly") for node in nodes) or not (is_required or self._is_full):
                continue
            try:
                made[name] = self.make(nodes[0] if len(nodes) == 1 else nodes[0].join(nodes[1:]))
            except _Endless:
                if is_required:
                    raise
        names = [name for name in schema.required if name not in schema.properties]
        names += [f"key{number}" for number in range(schema.keywords.get("minProperties", 0) - len(made) - len(names))]
        return made | {name: self._make_other(schema, "additionalProperties") for name in names} | schema.named

    def _make_array(self, schema: _Schema) -> list[Any]:
        known = schema.keywords
        made = [self.make(node) for node in schema.nodes.get("prefixItems", Node([], None)).list()]
        least = known.get("minItems", 0)
        size = min(max(least, 1), known.get("maxItems", least + 1))
        while len(made) < size and ("items" in schema.nodes or len(made) < least):
            try:
                value = self._make_other(schema, "items")
            except _Endless:
                if len(made) < least:
                    raise
                break
            if known.get("uniqueItems") and value in made:
                if isinstance(value, str):
                    value += str(len(made))
                elif isinstance(value, int | float):
                    value += len(made)
            made.append(value)
        return made

    def _make_other(self, schema: _Schema, keyword: str) -> Any:
        """A value for what has no schema of its own."""
        node = schema.nodes.get(keyword)
        return self.make(node) if node is not None else "text"


def _make_number(known: dict[str, Any], *, is_whole: bool) -> int | float:
    """The first that fits of those that are near to the bounds."""
    step = known.get("multipleOf") or 1
    limits: list[tuple[Any, Callable[[Any, Any], bool]]] = []
    for name, fits, strictly in (("Minimum", operator.ge, operator.gt), ("Maximum", operator.le, operator.lt)):
        bound, exclusive = known.get(name.lower()), known.get(f"exclusive{name}")
        if bound is not None:
            limits.append((bound, strictly if exclusive is True else fits))  # as OpenAPI 3.0 says it
        if exclusive is not None and not isinstance(exclusive, bool):
            limits.append((exclusive, strictly))  # as 3.1 does
    bounds = [bound for bound, _ in limits]
    tried = [step, *((math.floor(bound / step) + more) * step for bound in bounds for more in (0, 1, -1))]
    if bounds and not is_whole:
        tried.append(sum(bounds) / len(bounds))
    value = next((value for value in tried if all(fits(value, bound) for bound, fits in limits)), step)
    return int(value) if is_whole else value


def _make_text(known: dict[str, Any]) -> str:
    pattern = known.get("pattern")
    if isinstance(pattern, str):
        try:
            return _make_match(pattern)
        except (re.error, OverflowError, KeyError, ValueError):  # it is of another dialect
            return "text"
    text = _FORMATS.get(str(known.get("format")))
    return text or "text".ljust(known.get("minLength", 0), "x")[: known.get("maxLength")]


# -- patterns ----------------------------------------------------------------------------------------------------------

_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
}  # fmt: skip


def _make_match(pattern: str) -> str:
    """A text that a pattern matches, made of what Python's own parser reads it as."""
    try:
        from re import _parser as parser  # type: ignore[attr-defined]
    except ImportError:  # Python 3.10
        import sre_parse as parser
    groups: dict[int, str] = {}

    def write(parsed: Any) -> str:
        return "".join(write_one(str(code), value) for code, value in parsed)

    def write_one(code: str, value: Any) -> str:
        if code == "LITERAL":
            return chr(value)
        if code in ("IN", "NOT_LITERAL"):
            choices = value if code == "IN" else [("NEGATE", None), ("LITERAL", value)]
            return next(char for char in map(chr, (*range(97, 123), *range(32, 0x250))) if _is_in(char, choices))
        if code in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, part = value
            return "".join(write(part) for _ in range(min(low or min(high, 1), _MOST_REPEATED)))
        if code == "SUBPATTERN":
            groups[value[0]] = text = write(value[3])
            return text
        if code == "BRANCH":
            return write(value[1][0])
        if code == "GROUPREF":
            return groups[value]
        return "x" if code == "ANY" else ""  # else it has no width

    return write(parser.parse(pattern))


def _is_in(char: str, choices: list[tuple[Any, Any]]) -> bool:
    """Return True if a set that was parsed has a character."""
    is_listed = False
    for code, value in choices:
        if str(code) == "LITERAL":
            is_listed |= ord(char) == value
        elif str(code) == "RANGE":
            is_listed |= value[0] <= ord(char) <= value[1]
        elif str(code) == "CATEGORY":
            is_listed |= re.match(_CATEGORIES[str(value)], char) is not None
    return is_listed != (str(choices[0][0]) == "NEGATE")
