"""An OpenAPI document as a script: each operation becomes an expectation.

It matches what the document allows, so that any other request is unmatched and the report says where it differs; and it
answers with the examples of the document, or else with a value that is made from the schema.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..core.checks import check_switch
from ..core.text import quote
from ..errors import UsageError
from ..web.openapi import IS_JSON, Document, Finding, Node, Operation, read_document
from .matcher import Mismatch
from .openapi_values import make_values
from .reply import Reply
from .request import RecordedRequest

if TYPE_CHECKING:
    from .expectation import Expectation
    from .script import Script

__all__ = ["load_openapi"]

_MOST_SHOWN = 5  # differences of one request
_FORM = "application/x-www-form-urlencoded"
_RANGES = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain"}


def load_openapi(
    script: Script, source: str | os.PathLike[str] | Mapping[str, Any], *, strict: bool, base_path: str | None
) -> list[Expectation]:
    """Write an expectation for each operation that a document has: see `Script.load_openapi`."""
    if base_path is not None and (not isinstance(base_path, str) or (base_path and not base_path.startswith("/"))):
        raise UsageError(f"base_path is {quote(base_path)}; wanted one that begins with '/', such as '/v1', or ''")
    is_strict, document = check_switch("strict", strict), read_document(source)
    written = []
    for operation in reversed(document.operations):  # the newest wins, and that is to be the one with no placeholders
        matcher = _Allowed(document, operation) if is_strict else None
        responder = _Documented(document, operation)
        for base in operation.base_paths if base_path is None else (base_path.rstrip("/"),):
            path = base + _write_rule(operation.path)
            expectation = script.on(operation.method, path, name=operation.name, matcher=matcher)
            written.append(expectation.reply_with(responder))
    return written[::-1]


def _write_rule(path: str) -> str:
    """A path of the document as a rule, in which placeholders have names as Python has them."""
    pieces = re.split(r"\{([^{}]*)\}", path.replace("<", "%3C"))
    for number in range(1, len(pieces), 2):
        name = re.sub(r"\W", "_", pieces[number], flags=re.ASCII)
        pieces[number] = f"<{name if name.isidentifier() else f'_{number}'}>"
    return "".join(pieces)


class _OfOperation:
    """What belongs to an operation of a document; to another process goes the document, which is read again there."""

    def __init__(self, document: Document, operation: Operation) -> None:
        self._document = document
        self._operation = operation
        self._name = f"{operation.name} of {document.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _find_operation, (type(self), self._document, self._document.operations.index(self._operation))


def _find_operation(kind: type[_OfOperation], document: Document, number: int) -> _OfOperation:
    return kind(document, document.operations[number])


class _Allowed(_OfOperation):
    """Matches what the document allows for an operation."""

    def matches(self, request: RecordedRequest) -> bool:
        """Return True if the request is for this operation, and as the document wants it."""
        return self._find(request) == []

    def _find(self, request: RecordedRequest) -> list[Finding] | None:
        """Where the request differs from the document; None if it is for another operation, or none."""
        parts = request.plain_path.split("/")
        path = "/".join(["", *parts[-self._operation.path.count("/") :]])  # what stands before is the path's criterion
        if not self._operation.pattern.fullmatch(path):  # which most are not, of those that a report compares
            return None
        if self._document.find(request.method, path, "") is not self._operation:
            return None
        return self._document.check_request(
            self._operation,
            path,
            query=request.args.items(multi=True),
            headers=request.headers.items(),
            cookies=request.cookies.items(multi=True),
            body=request.content,
        )

    def explain(self, request: RecordedRequest) -> Mismatch | str:
        """Say where the request differs from the document."""
        found = self._find(request)
        if not found:
            return "another operation, or none"
        first, *rest = found
        shown = [str(each) for each in rest[:_MOST_SHOWN]]
        shown += [f"… and {len(rest) - _MOST_SHOWN:,} more"] if len(rest) > _MOST_SHOWN else []
        return Mismatch("matcher", first.wanted, first.got, first.place, where=first.where, details=tuple(shown))

    def describe(self) -> str:
        """Name the document."""
        return f"allowed by {self._document.name}"


class _Documented(_OfOperation):
    """Answers with what the document says of an operation."""

    def __init__(self, document: Document, operation: Operation) -> None:
        super().__init__(document, operation)
        self._made: dict[tuple[int, str], Reply] = {}

    def reply_to(self, request: RecordedRequest) -> Reply:
        """The response that a ``Prefer`` header asks for, or else the first that is a success."""
        prefers = dict(re.findall(r"(code|example)=\"?([^\s\",;]+)", request.headers.get("Prefer", "")))
        status, response = self._choose_response(prefers.get("code"))
        media = dict(_items(response, "content"))
        if not media:
            return Reply(status, headers={**self._make_headers(response), "Content-Type": None})
        kinds = sorted(media, key=lambda kind: IS_JSON.fullmatch(kind) is None)  # JSON, if the client takes any
        kind = request.accept_mimetypes.best_match(kinds) or kinds[0]
        example = self._find_example(media[kind], prefers.get("example"))
        if example is not None:
            return self._make_reply(status, response, kind, media[kind], example[0])
        known = self._made.get((status, kind))
        if known is None:
            known = self._made[status, kind] = self._make_valid_reply(status, response, kind, media[kind])
        return known

    def _choose_response(self, wanted: str | None) -> tuple[int, Node]:
        known = {key.upper(): node for key, node in _items(self._operation.node, "responses")}
        if wanted is not None:
            for key in (wanted, f"{wanted[:1]}XX", "DEFAULT"):
                if re.fullmatch("[2-5][0-9][0-9]", wanted) and key in known:
                    return int(wanted), known[key]
            raise UsageError(
                f"{self._name} has no response {quote(wanted)}, which a Prefer header asks for; it has "
                f"{', '.join(known)}"
            )
        ranks = {"2": 0, "D": 1}
        keys = sorted((key for key in known if key[0] in "2345D"), key=lambda key: (ranks.get(key[0], 2), key))
        if not keys:
            raise UsageError(f"{self._name} has no response to answer with")
        key = keys[0]
        return int(key.replace("XX", "00")) if key != "DEFAULT" else 200, known[key]

    def _find_example(self, media: Node, name: str | None) -> tuple[Any] | None:
        """The example of this name, or the first; in a tuple, since it may be null."""
        named = {key: node for key, node in _items(media, "examples") if "value" in node.contents}
        if name is not None and name not in named:
            raise UsageError(
                f"{self._name} has no example {quote(name)}, which a Prefer header asks for; it has "
                f"{', '.join(map(repr, named)) or 'none with a name'}"
            )
        if named:
            return (named[name or next(iter(named))].read("value"),)
        example = media.get("example")
        return (example.contents,) if example is not None else None

    def _make_valid_reply(self, status: int, response: Node, kind: str, media: Node) -> Reply:
        """Make a reply of the schema that openapi-core accepts; a `UsageError` if none could be made."""
        found: list[Finding] = []
        for value in make_values(media.get("schema") or Node({}, None)):
            reply = self._make_reply(status, response, kind, media, value)
            found = self._document.check_response(self._operation, status, reply.headers, reply.body)
            if not found:
                return reply
        why = str(found[0]) if found else "its schema holds itself"
        raise UsageError(
            f"{self._name} has no example of its response {status}, and no value could be made from its schema: {why}; "
            "write an example into the document, or answer it yourself: "
            f"stub.on({self._operation.method!r}, …).reply(…)"
        )

    def _make_reply(self, status: int, response: Node, kind: str, media: Node, value: Any) -> Reply:
        headers = {**self._make_headers(response), "Content-Type": _RANGES.get(kind, kind)}
        return Reply(status, _encode(kind, value, media.get("schema")), headers)

    def _make_headers(self, response: Node) -> dict[str, str | None]:
        """The headers that the document requires, or has an example of."""
        made: dict[str, str | None] = {}
        for name, header in _items(response, "headers"):
            schema = header.get("schema")
            example = self._find_example(header, None) or (
                (schema.contents["example"],) if schema is not None and "example" in schema.contents else None
            )
            if example is None and header.read("required") and schema is not None:
                example = (next(make_values(schema), ""),)
            if example is not None and name.lower() not in ("content-type", "content-length", "transfer-encoding"):
                value = example[0]
                made[name] = ",".join(map(str, value)) if isinstance(value, list) else _write(value)
        return made


def _encode(kind: str, value: Any, schema: Node | None) -> bytes:
    """A value as a body of this media type."""
    if isinstance(value, str):
        is_written = False  # as JSON that the document has as a text
        if schema is None or schema.read("type") != "string":
            with contextlib.suppress(ValueError):
                is_written = isinstance(json.loads(value), dict | list)
        if is_written or not IS_JSON.fullmatch(kind):
            return value.encode()
    if kind == _FORM and isinstance(value, dict):
        return urlencode({name: _write(part) for name, part in value.items()}).encode()
    return json.dumps(value, ensure_ascii=False, default=str).encode()


def _items(node: Node, key: str) -> Iterable[tuple[str, Node]]:
    return (node.get(key) or Node({}, None)).items()


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
