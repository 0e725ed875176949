"""OpenAPI documents: which operations one has, and where a request or a response differs from what it says.

All that is judged is judged by openapi-core, and this is the only module that imports it, when the first document is
read.  It is given the operation, which has been found already, and never sees a URL: a stub and a live server are at
other addresses than a document says.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from werkzeug.datastructures import Headers, MultiDict

from ..core.masking import MASK, is_secret
from ..core.text import describe_error, one_line, quote
from ..errors import UsageError
from .content_coding import decode_content

if TYPE_CHECKING:
    from .records import RequestRecord

__all__ = ["IS_JSON", "Document", "Finding", "Node", "Operation", "decode_template_path", "read_document"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_MOST_REFERENCES = 50  # from one to the next; more go in a circle
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
IS_JSON = re.compile(r"application/json|.*\+json|\*/\*|application/\*", re.IGNORECASE)
_XML = re.compile(r"[/+]xml\b", re.IGNORECASE)
_KNOWN_TYPES = frozenset((
    "application/json", "application/octet-stream", "application/x-www-form-urlencoded", "application/xhtml+xml",
    "application/xml", "multipart/form-data", "text/html", "text/plain",
))  # fmt: skip
_MULTIPART = "multipart/form-data"
_UNTYPED = "application/octet-stream"  # what a body without a type may be taken for: RFC 9110, 8.3
_MOST_KEPT = 16  # documents: reading one takes longer than a test


class Finding(NamedTuple):
    """Where a message differs from the document."""

    where: str  # such as ``$.age of the body``
    wanted: str
    got: str  # without secrets
    place: str  # where the document says so, such as ``petstore.yaml#/components/schemas/Pet/required``

    def __str__(self) -> str:
        return f"{self.where}: wanted {self.wanted}, got {self.got} ({self.place})"


class Node:
    """A part of a document, wherever references lead to."""

    __slots__ = ("_resolver", "contents")

    def __init__(self, contents: Any, resolver: Any) -> None:
        for _ in range(_MOST_REFERENCES):
            reference = contents.get("$ref") if isinstance(contents, dict) else None
            if not isinstance(reference, str):
                break
            try:
                found = resolver.lookup(reference)
            except Exception:  # whose text is the whole document
                raise UsageError(f"the OpenAPI document refers to {reference!r}, where nothing is") from None
            contents, resolver = found.contents, found.resolver
        self.contents = contents
        self._resolver = resolver

    def get(self, *keys: str) -> Node | None:
        """The part below these keys; None if there is none."""
        node = self
        for key in keys:
            if not isinstance(node.contents, dict) or key not in node.contents:
                return None
            node = Node(node.contents[key], node._resolver)
        return node

    def read(self, key: str, default: Any = None) -> Any:
        """The value below a key."""
        node = self.get(key)
        return default if node is None else node.contents

    def items(self, *keys: str) -> Iterator[tuple[str, Node]]:
        """The keys of a mapping, or of the one below these keys, and what is below them; nothing of anything else."""
        node = self.get(*keys)
        if node is not None and isinstance(node.contents, dict):
            for key, value in node.contents.items():
                yield str(key), Node(value, node._resolver)

    def join(self, others: Sequence[Node]) -> Node:
        """A schema that wants what this one and the others want."""
        return Node({"allOf": [self.contents, *(other.contents for other in others)]}, self._resolver)

    def list(self, *keys: str) -> list[Node]:
        """The items of a list, or of the one below these keys; none of anything else."""
        node = self.get(*keys)
        if node is None or not isinstance(node.contents, list):
            return []
        return [Node(item, node._resolver) for item in node.contents]


@dataclass(frozen=True, eq=False)
class Operation:
    """A method on a path of the document."""

    method: str  # such as ``GET``
    path: str  # as the document has it, such as ``/pets/{petId}``
    node: Node  # what the document says of it
    base_paths: tuple[str, ...]  # what the URLs of its servers have before the path; empty texts among them for none
    name: str  # its ``operationId``, or else method and path
    pattern: re.Pattern[str]  # what paths match it, without what stands before


def read_document(source: str | os.PathLike[str] | Mapping[str, Any]) -> Document:
    """Read a document from a YAML or JSON file, or from what one has; a file that has not changed is read once.

    Raises:
        UsageError: It cannot be read, it is no OpenAPI document, or openapi-core is not installed.
    """
    if isinstance(source, Mapping):
        return Document(source, "the document")
    if not isinstance(source, str | os.PathLike) or isinstance(os.fspath(source), bytes):
        raise UsageError(f"the OpenAPI document is {quote(source)}; wanted the path of a YAML or JSON file, or a dict")
    path = os.path.abspath(source)
    try:
        facts = os.stat(path)
    except (OSError, ValueError) as error:
        why = describe_error(error)
        raise UsageError(f"the OpenAPI document {os.fspath(source)!r} cannot be read: {why}") from None
    return _read_file(path, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=_MOST_KEPT)
def _read_file(path: str, _modified: int, _size: int) -> Document:
    return Document(path, os.path.basename(path))


@functools.lru_cache(maxsize=_MOST_KEPT)
def _read_contents(text: str) -> Document:
    return Document(json.loads(text), "the document")


class Document:
    """An OpenAPI document, in a file or as what is in one; see `read_document`."""

    def __init__(self, source: str | Mapping[str, Any], name: str) -> None:
        self.name = name  # in reports
        self._source = source
        try:
            from openapi_core import Config, OpenAPI
            from openapi_core.datatypes import RequestParameters
            from openapi_core.deserializing.media_types.util import data_form_loads
            from openapi_core.security.factories import SecurityProviderFactory
            from openapi_core.templating.datatypes import TemplateResult
            from openapi_core.templating.paths.datatypes import PathOperationServer
            from openapi_core.templating.paths.finders import BasePathFinder
        except ImportError as error:
            raise UsageError(
                f"an OpenAPI document needs openapi-core, which cannot be imported ({error}): "
                "install liveserver-testcase[openapi]"
            ) from error

        class Finder(BasePathFinder):
            """Finds the operation whose method and path it is given."""

            def find(self, method: str, path: str) -> PathOperationServer:
                item = self.spec / "paths" / path
                return PathOperationServer(item, item / method, None, TemplateResult(path, {}), TemplateResult("", {}))

        class Providers(SecurityProviderFactory):
            """Looks for keys and for HTTP authentication; of other schemes the library knows nothing, and warns."""

            def create(self, scheme: Any) -> Any:
                with scheme.resolve() as resolved:
                    is_known = resolved.contents.get("type") in ("apiKey", "http")
                return super().create(scheme) if is_known else (lambda parameters: None)

        readers: dict[str, Any] = {}
        config = Config(
            path_finder_cls=Finder,
            security_provider_factory=Providers(),
            extra_media_type_deserializers=readers,
        )
        try:
            if isinstance(source, str):
                self._library = OpenAPI.from_file_path(source, config)
            else:  # the keys of JSON are texts, and its values are what a message can have
                self._library = OpenAPI.from_dict(json.loads(json.dumps(source, default=str)), config)
        except Exception as error:  # of the file, of YAML or JSON, of what is no OpenAPI: each library has its own
            raise UsageError(
                f"{name} cannot be read as an OpenAPI document: {describe_error(error)}; wanted OpenAPI 3.0 or 3.1"
            ) from error
        with self._library.spec.resolve() as resolved:
            self._root = Node(resolved.contents, resolved.resolver)
        self._empty_parameters, kinds = _adapt(self._root.contents)
        for kind in kinds - _KNOWN_TYPES:
            readers[kind] = (lambda value, **_: json.loads(value)) if IS_JSON.fullmatch(kind) else _read_text

        def read_form(value: bytes, **parameters: str) -> MultiDict[str, str | bytes]:
            parts = MultiDict(data_form_loads(value, **parameters))
            return MultiDict((name, _read_text(part)) for name, part in parts.items(multi=True))

        readers[_MULTIPART] = read_form
        self._make_parameters = RequestParameters
        # those with the fewest placeholders first
        self.operations = sorted(self._find_operations(), key=lambda each: len(_PLACEHOLDER.findall(each.path)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Have another process read it again."""
        if isinstance(self._source, str):
            return read_document, (self._source,)
        return _read_contents, (json.dumps(self._source),)

    def __repr__(self) -> str:
        return f"<Document {self.name}>"

    # -- operations ------------------------------------------------------------------------------------------------

    def _find_operations(self) -> Iterator[Operation]:
        for path, item in self._root.items("paths"):
            pieces = _PLACEHOLDER.split(path)
            pieces[::2] = [re.escape(decode_template_path(piece)) for piece in pieces[::2]]
            pieces[1::2] = ["([^/]+)"] * (len(pieces) // 2)
            pattern = re.compile("".join(pieces))
            for method in _METHODS:
                node = item.get(method)
                if node is not None:
                    form = node.get("requestBody", "content", _MULTIPART)
                    if form is not None:  # its fields are read as those of any other form, which may have types
                        for name, field in form.items("schema", "properties"):
                            if field.read("type") in ("integer", "number", "boolean"):
                                form.contents.setdefault("encoding", {}).setdefault(name, {"style": "form"})
                    servers = node.get("servers") or item.get("servers") or self._root.get("servers")
                    bases = tuple(dict.fromkeys(map(_read_base_path, servers.list() if servers is not None else ())))
                    name = str(node.read("operationId") or f"{method.upper()} {path}")
                    yield Operation(method.upper(), path, node, bases or ("",), name, pattern)

    def find(self, method: str, path: str, base_path: str | None = None) -> Operation | None:
        """Return the operation for a request; None if the document has none.

        Args:
            method: Such as ``GET``.
            path: As `decode_template_path` decodes it.
            base_path: What stands before the document's path; None for what its servers have there, or nothing.
        """
        for operation in self.operations:
            if operation.method == method:
                for base in (*operation.base_paths, "") if base_path is None else (base_path,):
                    if path.startswith(f"{base}/") and operation.pattern.fullmatch(path, len(base)):
                        return operation
        return None

    # -- judging ---------------------------------------------------------------------------------------------------

    def check_request(
        self,
        operation: Operation,
        path: str,
        *,
        query: Iterable[tuple[str, str]],
        headers: Iterable[tuple[str, str]],
        cookies: Iterable[tuple[str, str]],
        body: bytes,
    ) -> list[Finding]:
        """Where a request differs from what the document allows; nothing if it does not.

        The path is the part of it that the document has, the query is decoded, and the body has no Content-Encoding.
        """
        known = Headers(list(headers))
        match = operation.pattern.fullmatch(path)
        values = [value.replace("%2F", "/") for value in match.groups()] if match is not None else []
        parameters = self._make_parameters(
            query=MultiDict(query),
            header=known,
            cookie=MultiDict(cookies),
            path=dict(zip(_PLACEHOLDER.findall(operation.path), values, strict=False)),
        )
        kind = _lower_type(known.get("Content-Type", _UNTYPED))
        request = _make_request(operation, parameters, body or None, kind)
        return self._collect(operation, self._library.iter_request_errors(request), "requestBody")

    def check_response(
        self, operation: Operation, status: int, headers: Iterable[tuple[str, str]], body: bytes
    ) -> list[Finding]:
        """Where a response differs from what the document says; the body is one without Content-Encoding."""
        known = Headers(list(headers))
        request = _make_request(operation, self._make_parameters(), None, "")
        kind = _lower_type(known.get("Content-Type", _UNTYPED))
        response: Any = SimpleNamespace(status_code=status, headers=known, data=body, content_type=kind)
        said = operation.node.get("responses")
        key = next((key for key in (str(status), f"{status // 100}XX") if said and said.get(key)), "default")
        return self._collect(operation, self._library.iter_response_errors(request, response), "responses", key)

    def check_exchange(self, record: RequestRecord) -> list[Finding]:
        """Where the response of a live server differs; nothing if the document has no such operation.

        Nor is one compared that is not complete, or of which not the whole body was kept.
        """
        capture, status = record.capture, record.status
        if capture is None or status is None or not record.completed or record.method == "HEAD":
            return []
        response = capture.response
        operation = self.find(record.method, decode_template_path(record.path))
        if operation is None or response.size != len(response.body):
            return []
        coding = next((value for name, value in response.headers if name.lower() == "content-encoding"), "")
        body, left, problem = decode_content(response.body, coding)
        if problem:
            return [Finding("Content-Encoding", "one that can be taken off", problem, self.name)]
        return [] if left else self.check_response(operation, status, response.headers, body)

    def _collect(self, operation: Operation, errors: Iterator[Exception], *keys: str) -> list[Finding]:
        found: list[Finding] = []
        try:
            for error in errors:
                found += self._explain(operation, error, operation.node.get(*keys) or operation.node)
        except Exception as error:  # of a message that the library was not made for, such as a broken Content-Type
            found.append(Finding("message", "one that openapi-core can read", describe_error(error), self.name))
        return found

    def _explain(self, operation: Operation, error: Exception, node: Node) -> Iterator[Finding]:
        """Put an error of the library into words; ``node`` is what the document says of the body."""
        cause = error.__cause__ or error
        name, location = getattr(error, "name", ""), getattr(error, "location", "")
        where = f"{location} parameter {name!r}" if location else f"header {name!r}" if name else "body"
        for owner in (self._root.get("paths", operation.path), operation.node):
            for each in owner.list("parameters") if owner is not None else ():
                if (each.read("name"), each.read("in")) == (name, location):
                    node = each
        place = self._find_place(node)
        if type(cause).__name__ == "EmptyQueryParameterValue" and name in self._empty_parameters:
            return
        if type(cause).__name__ == "SecurityNotFound":
            wanted = " or ".join(" and ".join(names) for names in getattr(cause, "schemes", ()))
            yield Finding("security", wanted, "none of it", self._find_place(operation.node, "security"))
        elif hasattr(cause, "schema_errors"):
            for each in cause.schema_errors:
                yield self._explain_schema_error(each, where, secret=is_secret(name))
        elif hasattr(cause, "availableresponses"):
            known = ", ".join(sorted(cause.availableresponses))
            yield Finding("status", known, cause.http_status, self._find_place(operation.node, "responses"))  # type: ignore[attr-defined]
        elif hasattr(cause, "availableMimetypes"):
            known, got = " or ".join(cause.availableMimetypes), cause.mimetype  # type: ignore[attr-defined]
            yield Finding("Content-Type", known, f"{quote(got)}{' or none' if got == _UNTYPED else ''}", place)
        elif type(cause).__name__.startswith("Missing"):
            yield Finding(where, "one, for it is required", "nothing", place)
        elif hasattr(cause, "value"):
            kind, mimetype = getattr(cause, "type", None), getattr(cause, "mimetype", None)
            wanted = f"type {kind!r}" if kind else f"what can be read as {mimetype}" if mimetype else "another value"
            yield Finding(where, wanted, MASK if is_secret(name) else quote(cause.value), place)
        else:
            got = MASK if is_secret(name) else describe_error(cause)
            yield Finding(where, "what the document has", got, place)

    def _explain_schema_error(self, error: Any, where: str, *, secret: bool) -> Finding:
        from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # it comes without types

        error = best_match([error]) or error
        step = error.json_path
        keyword, value = error.validator, error.validator_value
        place = self._places.get(id(error.schema))
        known = "/".join(map(_escape_step, [keyword] if place else error.absolute_schema_path))
        wanted = str(keyword)
        if keyword == "required":
            wanted = f"the required property {error.message.partition(' is a required')[0]}"
        elif keyword in ("additionalProperties", "unevaluatedProperties"):
            wanted = "no other properties"
        elif isinstance(value, str | int | float) or (
            isinstance(value, list) and not any(isinstance(part, dict | list) for part in value)
        ):
            wanted = f"{keyword} {quote(value)}"
        got = MASK if secret or is_secret(step) else quote(error.instance)
        part = where if step == "$" else f"{one_line(step)} of the {where}"
        return Finding(part, wanted, got, f"{place or f'{self.name}#'}/{known}")

    @functools.cached_property
    def _places(self) -> dict[int, str]:
        """Where each mapping of the document stands; one that is referred to stands where it is defined."""
        places: dict[int, str] = {}
        root = self._root.contents
        waiting: list[tuple[Any, str]] = [(root, f"{self.name}#")]
        if "components" in root:
            waiting.append((root["components"], f"{self.name}#/components"))
        while waiting:
            part, place = waiting.pop()
            if isinstance(part, dict):
                if id(part) in places:
                    continue
                places[id(part)] = place
                waiting += [(value, f"{place}/{_escape_step(key)}") for key, value in part.items()]
            elif isinstance(part, list):
                waiting += [(value, f"{place}/{number}") for number, value in enumerate(part)]
        return places

    def _find_place(self, node: Node, *steps: str) -> str:
        return "/".join([self._places.get(id(node.contents), self.name), *steps])


def decode_template_path(path: str) -> str:
    """A path with its percent-encoding resolved, but for an encoded slash, which separates nothing."""
    return "/".join(unquote(part).replace("/", "%2F") for part in path.split("/"))


def _read_base_path(server: Node) -> str:
    """The path of a server's URL, with the defaults of its variables."""
    defaults = {name: str(variable.read("default", "")) for name, variable in server.items("variables")}
    url = _PLACEHOLDER.sub(lambda match: defaults.get(match[1], match[1]), str(server.read("url", "/")))
    path = urlsplit(url).path
    return decode_template_path(f"/{path.strip('/')}".rstrip("/"))


def _adapt(contents: Any) -> tuple[set[str], set[str]]:
    """Take out of a document what openapi-core cannot do; return the parameters that may be empty, and the media types.

    It warns of parameters that are deprecated or may be empty: a warning is an error under ``-W error``, and no thread
    of a server can turn one off without the others.  And of XML it can only say whether it is well-formed.
    """
    empty, kinds, waiting = set(), set(), [contents]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        if not isinstance(part, dict):
            continue
        waiting += part.values()
        if isinstance(part.get("in"), str) and isinstance(part.get("name"), str):
            part.pop("deprecated", None)
            if part.pop("allowEmptyValue", False):
                empty.add(part["name"])
        headers, content = part.get("headers"), part.get("content")
        for header in headers.values() if isinstance(headers, dict) else ():
            if isinstance(header, dict):
                header.pop("deprecated", None)
        for kind, media in content.items() if isinstance(content, dict) else ():
            kinds.add(kind.partition(";")[0].strip())
            if isinstance(media, dict) and _XML.search(kind):
                media.pop("schema", None)
    return empty, kinds


def _read_text(value: bytes, **_parameters: str) -> str | bytes:
    """A body of a type that openapi-core does not know, which the document has as a text or as bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _make_request(operation: Operation, parameters: Any, body: bytes | None, kind: str) -> Any:
    """A request as openapi-core wants it."""
    method, path = operation.method.lower(), operation.path
    return SimpleNamespace(host_url="", method=method, path=path, parameters=parameters, body=body, content_type=kind)


def _lower_type(kind: str) -> str:
    """A media type in lower case; its parameters as they are, since a boundary is not the same in another case."""
    name, separator, rest = kind.partition(";")
    return f"{name.strip().lower()}{separator}{rest}"


def _escape_step(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
