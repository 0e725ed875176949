"""Values made from the schemas of an OpenAPI document, where it has no examples.  Pure.

What is made is plain and the same each time.  It is a guess at what a schema allows: whoever sends it has openapi-core
judge it first, and makes another one if need be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..web.openapi import Node

__all__ = ["make_values"]

_FORMATS = {
    "byte": "dGV4dA==",
    "date": "2024-01-31",
    "date-time": "2024-01-31T12:00:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "12:00:00",
    "uri": "https://example.com/",
    "uri-reference": "/",
    "url": "https://example.com/",
    "uuid": "6f1f8e3c-5a0e-4f52-9a2c-1c9b0d3e7a10",
}
_MOST_REPEATED = 10_000  # of a part of a pattern, which may ask for more than a body can have
_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "multipleOf"),
}


class _Endless(Exception):
    """A schema holds itself, so that no value of it would have an end."""


@dataclass
class _Parts:
    """A schema with what its ``allOf`` and the alternative that was chosen add to it."""

    keywords: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, list[Node]] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)  # what a discriminator wants of a property
    below: dict[str, Node] = field(default_factory=dict)  # of items, prefixItems and additionalProperties
    seen: set[int] = field(default_factory=set)


def make_values(schema: Node) -> Iterator[Any]:
    """Make values of a schema, the fullest first; none of one that holds itself."""
    for choice, is_full, has_examples in (
        (0, True, True), (0, True, False), (0, False, False), (1, True, False), (1, False, False), (2, True, False),
    ):  # fmt: skip
        try:
            yield _Maker(choice, is_full=is_full, has_examples=has_examples).make(schema)
        except _Endless:
            continue


class _Maker:
    """Makes one value.

    Args:
        choice: Which of several alternatives is taken.
        is_full: Whether properties that are not required are there, too.
        has_examples: Whether examples and defaults in the schema are used.
    """

    def __init__(self, choice: int, *, is_full: bool, has_examples: bool) -> None:
        self._choice, self._is_full, self._has_examples = choice, is_full, has_examples
        self._open: list[int] = []  # the schemas of which a value is being made

    def make(self, schema: Node) -> Any:
        """Make a value.

        Raises:
            _Endless: The schema holds itself.
        """
        parts = _Parts()
        self._gather(schema, parts)
        known = parts.keywords
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
        if parts.seen & set(self._open):
            raise _Endless
        self._open += parts.seen
        try:
            return self._make_kind(_find_type(parts), parts)
        except _Endless:
            if known.get("nullable") or "null" in (known.get("type") or ()):
                return None
            raise
        finally:
            del self._open[len(self._open) - len(parts.seen) :]

    def _gather(self, schema: Node, parts: _Parts) -> None:
        contents = schema.contents
        if not isinstance(contents, dict) or id(contents) in parts.seen:
            return
        parts.seen.add(id(contents))
        for keyword, value in contents.items():
            parts.keywords.setdefault(keyword, value)
        parts.required += contents.get("required") or []
        properties = schema.get("properties")
        for name, node in properties.items() if properties is not None else ():
            parts.properties.setdefault(name, []).append(node)
        for keyword in ("items", "prefixItems", "additionalProperties"):
            below = schema.get(keyword)
            if below is not None:
                parts.below.setdefault(keyword, below)
        every = schema.get("allOf")
        for node in every.list() if every is not None else []:
            self._gather(node, parts)
        for keyword in ("oneOf", "anyOf"):
            several = schema.get(keyword)
            nodes = several.list() if several is not None else []
            if nodes:
                number = self._choice % len(nodes)
                self._gather(nodes[number], parts)
                parts.named |= _read_discriminator(contents, contents[keyword][number])

    def _make_kind(self, kind: str, parts: _Parts) -> Any:
        known = parts.keywords
        if kind == "object":
            return self._make_object(parts)
        if kind == "array":
            return self._make_array(parts)
        if kind in ("integer", "number"):
            return _make_number(known, is_whole=kind == "integer")
        if kind == "boolean":
            return True
        return None if kind == "null" else _make_text(known)

    def _make_object(self, parts: _Parts) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, nodes in parts.properties.items():
            is_required = name in parts.required
            if any(node.read("writeOnly") for node in nodes) or not (is_required or self._is_full):
                continue
            node = nodes[0] if len(nodes) == 1 else nodes[0].join(nodes[1:])
            try:
                made[name] = self.make(node)
            except _Endless:
                if is_required:
                    raise
        more = parts.below.get("additionalProperties")
        names = [name for name in parts.required if name not in parts.properties]
        names += [f"key{number}" for number in range(parts.keywords.get("minProperties", 0) - len(made) - len(names))]
        for name in names:
            made[name] = self.make(more) if more is not None else "text"
        return made | parts.named

    def _make_array(self, parts: _Parts) -> list[Any]:
        known = parts.keywords
        first, item = parts.below.get("prefixItems"), parts.below.get("items")
        made = [self.make(node) for node in first.list()] if first is not None else []
        least = known.get("minItems", 0)
        size = min(max(least, 1), known.get("maxItems", least + 1))
        while len(made) < size and (item is not None or len(made) < least):
            try:
                value = self.make(item) if item is not None else "text"
            except _Endless:
                if len(made) < least:
                    raise
                break
            if known.get("uniqueItems") and value in made:
                value = f"{value}{len(made)}" if isinstance(value, str) else value + len(made)
            made.append(value)
        return made


def _find_type(parts: _Parts) -> str:
    kind = parts.keywords.get("type")
    if isinstance(kind, list):
        return str(next((each for each in kind if each != "null"), "null"))
    if isinstance(kind, str):
        return kind
    found = {**parts.keywords, **({"properties": 1} if parts.properties else {})}
    return next((name for name, hints in _HINTS.items() if any(hint in found for hint in hints)), "string")


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


def _make_number(known: dict[str, Any], *, is_whole: bool) -> int | float:
    step = known.get("multipleOf") or 1
    low, high = known.get("minimum"), known.get("maximum")
    over, under = known.get("exclusiveMinimum"), known.get("exclusiveMaximum")  # of 3.0 truth values, of 3.1 numbers
    least = over if _is_number(over) else low
    most = under if _is_number(under) else high
    value = step
    if least is not None and (value < least or (value == least and over)):
        value = math.ceil(least / step) * step
        value += step if value == least and over else 0
    if most is not None and (value > most or (value == most and under)):
        value = math.floor(most / step) * step
        value -= step if value == most and under else 0
        if least is not None and value < least and not is_whole:
            value = (least + most) / 2
    return int(value) if is_whole else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _make_text(known: dict[str, Any]) -> str:
    pattern = known.get("pattern")
    if isinstance(pattern, str):
        try:
            return _make_match(pattern)
        except (re.error, OverflowError, KeyError, ValueError):  # it is of another dialect
            return "text"
    text = _FORMATS.get(str(known.get("format")))
    if text is not None:
        return text
    return "text".ljust(known.get("minLength", 0), "x")[: known.get("maxLength")]


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
        if code == "IN":
            return _pick(value)
        if code in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, part = value
            times = low or (1 if high else 0)
            return "".join(write(part) for _ in range(min(times, _MOST_REPEATED)))
        if code == "SUBPATTERN":
            groups[value[0]] = text = write(value[3])
            return text
        if code == "BRANCH":
            return write(value[1][0])
        if code == "GROUPREF":
            return groups[value]
        return {"ANY": "x", "NOT_LITERAL": "x" if value != ord("x") else "y"}.get(code, "")  # else it has no width

    return write(parser.parse(pattern))


def _pick(choices: list[tuple[Any, Any]]) -> str:
    """A character of a set."""
    fitting = re.compile(_write_set(choices))
    return next(char for char in [*map(chr, range(97, 123)), *map(chr, range(32, 0x250))] if fitting.fullmatch(char))


def _write_set(choices: list[tuple[Any, Any]]) -> str:
    """Write a set that was parsed as a pattern again."""
    categories = {
        "CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
        "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W",
    }  # fmt: skip
    written = ""
    for code, value in choices:
        if str(code) == "NEGATE":
            written += "^"
        elif str(code) == "RANGE":
            written += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        else:
            written += categories[str(value)] if str(code) == "CATEGORY" else re.escape(chr(value))
    return f"[{written}]"
