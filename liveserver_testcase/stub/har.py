"""Recorded traffic as a script: saved from a stub, loaded into one, or recorded from a real server and replayed.

An entry of a HAR file becomes an expectation like any that a test writes, so that reports, precedence and counting are
those of every other; entries that ask the same are one expectation that answers them one after the other.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import threading
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.datastructures import MultiDict
from werkzeug.http import parse_options_header

from ..core.checks import read_switch, suggest_name
from ..core.interrupts import monotonic
from ..core.masking import MASK
from ..core.text import count, quote
from ..errors import UsageError
from ..web.content_coding import take_coding_off
from ..web.har import HarEntry, check_path, entry_of, find_header, is_text, read_har, write_har
from ..web.request_head import split_target
from .expectation import at_least
from .forwarding import ForwardingResponder
from .parsing import parse_form
from .reply import Reply
from .request import RecordedRequest
from .values import merge_values

if TYPE_CHECKING:
    from ..web.capture import Pairs
    from ..web.records import Exchange
    from .expectation import Expectation
    from .script import Script

__all__ = ["RECORD_VARIABLE", "load_har", "make_entry", "read_parts", "record"]

RECORD_VARIABLE = "LIVESERVER_RECORD"

_KNOWN = ("method", "path", "query", "body", "host", "headers")
_NOISE = frozenset(("accept", "accept-encoding", "connection", "content-length", "cookie", "host", "user-agent"))
_NOT_REPLAYED = frozenset(("content-length", "transfer-encoding", "connection", "keep-alive", "date"))


# -- saving ------------------------------------------------------------------------------------------------------------


def make_entry(exchange: Exchange, origin: str) -> HarEntry | None:
    """Make the entry of an exchange with a stub at ``origin``; None if no request could be made out of it."""
    request = exchange.handler_data
    if not isinstance(request, RecordedRequest):
        return None
    host = request.headers.get("Host")
    base = f"{origin.partition('://')[0]}://{host}" if host else origin
    target = exchange.target
    reply, body, comment = request.reply, None, request.failure
    if reply is not None and reply.stream is None and reply.raw is None:
        body = b"" if exchange.method == "HEAD" else reply.body
    if request.loss:
        comment = f"the request's body has {count(request.body_size, 'byte')}{request.loss}"
    elif reply is not None and reply.stream is not None:
        comment = "the response's body was a stream, which is not kept"
    return entry_of(
        exchange,
        target if "://" in target else f"{base}{target}",
        request_headers=_decode_lines(request),
        request_body=request.body,
        response_headers=list(reply.headers) if reply is not None else [],
        response_body=body,
        comment=comment,
    )


def _decode_lines(request: RecordedRequest) -> Pairs:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.header_lines]


# -- loading -----------------------------------------------------------------------------------------------------------


def load_har(
    script: Script, path: str | os.PathLike[str], *, match: Sequence[str], strict: bool, host: str | None = None
) -> list[Expectation]:
    """Write an expectation for each request that a HAR file has: see `Script.load_har`."""
    wanted = _check_match(match)
    entries = read_har(path)
    if host is not None:
        known = sorted({urlsplit(entry.url).netloc for entry in entries})
        entries = [entry for entry in entries if host in (urlsplit(entry.url).netloc, urlsplit(entry.url).hostname)]
        if not entries:
            raise UsageError(
                f"{os.fspath(path)!r} has no entry of the host {host!r}; it has {', '.join(known) or 'none'}"
            )
    groups: dict[Hashable, list[HarEntry]] = {}
    for entry in entries:
        groups.setdefault(_make_key(entry, wanted), []).append(entry)
    return [_write(script, group, wanted, os.fspath(path), strict=strict) for group in groups.values()]


def _check_match(match: object) -> Sequence[str]:
    names = [match] if isinstance(match, str) else match
    if not isinstance(names, Sequence) or not names:
        raise UsageError(f"match is {quote(match)}; wanted some of {', '.join(map(repr, _KNOWN))}")
    for name in names:
        if name not in _KNOWN:
            raise UsageError(f"match has {quote(name)}: {suggest_name(str(name), _KNOWN)}")
    return names


def _make_key(entry: HarEntry, wanted: Sequence[str]) -> Hashable:
    """What two entries have in common that ask the same, as far as it is compared."""
    parts, headers = urlsplit(entry.url), tuple(_list_significant_headers(entry))
    query = tuple(sorted(parse_form(parts.query.encode())))
    known = zip(_KNOWN, (entry.method, parts.path, query, entry.request_body, parts.netloc, headers), strict=True)
    return tuple(value for name, value in known if name in wanted)


def _write(script: Script, entries: list[HarEntry], wanted: Sequence[str], file: str, *, strict: bool) -> Expectation:
    first = entries[0]
    parts = urlsplit(first.url)
    headers = {name: _unmask(value) for name, value in _list_significant_headers(first)}
    criteria: dict[str, Any] = {"query": _make_query(parts.query), "host": parts.netloc, "headers": headers}
    criteria = {name: value for name, value in criteria.items() if name in wanted}
    if "body" in wanted:
        criteria |= _make_body_criterion(first)
    path: object = parts.path or "/"
    if MASK in parts.path or re.search(r"[<>?#]", parts.path):  # which mean something in the rule of a path
        path = re.compile("[^/]*".join(map(re.escape, parts.path.split(MASK))))
    expectation = (script.expect if strict else script.on)(
        first.method if "method" in wanted else None,
        path if "path" in wanted else None,
        times=at_least(len(entries)) if strict else None,
        name=f"recorded in {os.path.basename(file)}",
        **criteria,
    )
    return expectation.reply_with(_RecordedReplies(entries, file, is_strict=strict))


def _list_significant_headers(entry: HarEntry) -> Pairs:
    """Headers that say what is asked for, and not who asks."""
    return sorted(pair for pair in entry.request_headers if pair[0].lower() not in _NOISE)


class _AnyValue:
    """Equal to everything: what was masked when it was saved may be anything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "anything (it was masked when it was saved)"


def _unmask(value: str) -> object:
    """What a recorded text is compared with: anything may stand where it was masked."""
    if MASK not in value:
        return value
    return _AnyValue() if value == MASK else re.compile(".*".join(map(re.escape, value.split(MASK))), re.DOTALL)


def _unmask_json(value: object) -> object:
    if isinstance(value, str):
        return _unmask(value)
    if isinstance(value, dict):
        return {key: _unmask_json(item) for key, item in value.items()}
    return [_unmask_json(item) for item in value] if isinstance(value, list) else value


def _make_query(query: str) -> object:
    values = MultiDict(parse_form(query.encode()))
    return {name: merge_values([_unmask(value) for value in found]) for name, found in values.lists()}


def _make_body_criterion(entry: HarEntry) -> dict[str, Any]:
    """Compare a body in the way that reports its differences best: as JSON, as a form, as text, or by its bytes."""
    kind = find_header(entry.request_headers, "content-type")
    coding = find_header(entry.request_headers, "content-encoding")
    decoded = take_coding_off(entry.request_body, coding)
    body = entry.request_body if decoded is None else decoded  # a file has most bodies without it
    plain, options = parse_options_header(kind)
    if not body:
        return {"body": b""} if entry.method not in ("GET", "HEAD", "DELETE", "OPTIONS") else {}
    if plain == "application/x-www-form-urlencoded":
        return {"form": _make_query(body.decode("latin-1"))}
    if plain == "multipart/form-data" and options.get("boundary"):
        return {"matcher": _SameParts(read_parts(body, options["boundary"]))}
    if is_text(kind, body):
        text = body.decode(errors="replace")
        with contextlib.suppress(ValueError, RecursionError):
            if "json" in plain or not plain:
                return {"json": _unmask_json(json.loads(text))}
        return {"text": _unmask(text)}
    # With a coding the octets of the body are others; without one a report says where they differ.
    return {"matcher": functools.partial(_has_content, body)} if coding else {"body": body}


def _has_content(content: bytes, request: RecordedRequest) -> bool:
    return request.content == content


class _SameParts:
    """Compares a multipart form without its boundary, which is another one each time."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self._patterns = [b".*".join(map(re.escape, part.split(MASK.encode()))) for part in parts]

    def matches(self, request: RecordedRequest) -> bool:
        """Return True if its parts are those that were recorded, with anything where they were masked."""
        found = read_parts(request.content, request.mimetype_params.get("boundary", ""))
        return len(found) == len(self._parts) and all(
            re.fullmatch(b"(?s)" + pattern, part) for pattern, part in zip(self._patterns, found, strict=True)
        )

    def __repr__(self) -> str:
        return f"the recorded form of {count(len(self._parts), 'part')}"


def read_parts(body: bytes, boundary: str) -> list[bytes]:
    """Return the parts of a multipart form, each with its head."""
    if not boundary:
        return []
    return [part.strip(b"\r\n") for part in body.split(b"--" + boundary.encode())[1:-1]]


class _RecordedReplies:
    """Answers with recorded responses, one after the other; where it is not strict, the last is repeated."""

    def __init__(self, entries: list[HarEntry], path: str, *, is_strict: bool) -> None:
        self._entries = entries
        self._path = path
        self._is_strict = is_strict
        for entry in entries:
            make_reply(entry, "http://stub")  # what cannot be sent is refused where it is loaded

    def reply_to(self, request: RecordedRequest) -> Reply:
        """The response whose turn it is; a `UsageError` if there is none left."""
        if request.turn >= len(self._entries) and self._is_strict:
            raise UsageError(
                f"{self._path!r} has {count(len(self._entries), 'response')} to {request.describe()}, and this was "
                f"request {request.turn + 1}: record it again, or load it with strict=False"
            )
        entry = self._entries[min(request.turn, len(self._entries) - 1)]
        return make_reply(entry, request.host_url.rstrip("/"))


def make_reply(entry: HarEntry, origin: str) -> Reply:
    """Make the reply that a recorded response is, as if ``origin`` had given it."""
    if entry.response_body is None:
        why = f" ({entry.comment})" if entry.comment else ""
        raise UsageError(
            f"the response to {entry.method} {quote(entry.url)} was saved without its body{why}: record it again, or "
            "take the entry out"
        )
    parts = urlsplit(entry.url)
    host = re.escape(parts.netloc)
    pattern = re.compile(rf"{re.escape(parts.scheme)}:(//|\\/\\/){host}(?![\w.:-])")  # as it is, or as in JSON
    escaped = origin.replace("/", "\\/")

    def rewrite(text: str) -> str:
        return pattern.sub(lambda found: origin if found[1] == "//" else escaped, text)

    headers = []
    for name, value in entry.response_headers:
        lower = name.lower()
        if lower == "set-cookie":
            headers.append((name, _rewrite_cookie(value, is_secure=origin.startswith("https:"))))
        elif lower not in _NOT_REPLAYED or (lower == "content-length" and entry.method == "HEAD"):
            headers.append((name, rewrite(value)))
    body = entry.response_body
    if is_text(find_header(headers, "content-type")) and parts.netloc.encode() in body:
        body = rewrite(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if entry.status in (204, 205, 304):
        body = b""
    has_type = any(name.lower() == "content-type" for name, _ in headers)
    reply = Reply(entry.status).changed(
        body=body, headers=tuple(headers), reason=entry.reason or None, left_out=() if has_type else ("content-type",)
    )
    return reply.checked()


def _rewrite_cookie(value: str, *, is_secure: bool) -> str:
    """Take from a cookie what only fits the host that set it; without TLS what makes clients keep it back, too."""
    first, *attributes = value.split(";")
    left_out = ("domain",) if is_secure else ("domain", "secure")
    kept = [each for each in attributes if each.partition("=")[0].strip().lower() not in left_out]
    return ";".join([first, *kept])


# -- recording ---------------------------------------------------------------------------------------------------------


def record(
    script: Script,
    upstream_url: str,
    path: str | os.PathLike[str],
    *,
    match: Sequence[str],
    strict: bool,
    secrets: bool,
    timeout: float,
    ca_file: str | None,
) -> list[Expectation]:
    """Pass on and write down, or replay: see `Script.record`."""
    wanted, name = _check_match(match), os.fsdecode(check_path(path))
    if not read_switch(RECORD_VARIABLE):
        if not os.path.exists(name):
            raise UsageError(
                f"{name!r} is not there, so that nothing can be replayed; run the test once with {RECORD_VARIABLE}=1, "
                f"which passes its requests on to {upstream_url} and writes that file"
            )
        return load_har(script, name, match=wanted, strict=strict)
    responder = _Recorder(upstream_url, name, secrets=secrets, timeout=timeout, ca_file=ca_file)
    return [script.on(name=f"recording of {upstream_url}").reply_with(responder)]


class _Recorder:
    """Passes requests on to a real server, and writes what it answers into a file, which is whole at any moment."""

    def __init__(self, url: str, path: str, *, secrets: bool, timeout: float, ca_file: str | None) -> None:
        self._options: dict[str, Any] = {"secrets": secrets, "timeout": timeout, "ca_file": ca_file}
        self._forward = ForwardingResponder(url, timeout=timeout, ca_file=ca_file)
        self._url = url.rstrip("/")
        self._path = path
        self._secrets = secrets
        self._lock = threading.Lock()  # guards what follows, and the file
        self._entries: list[HarEntry] = []
        write_har(path, [])  # what cannot be written is refused at once

    def __reduce__(self) -> tuple[Any, ...]:
        """Record in the process of a stub that has one of its own."""
        return functools.partial(_Recorder, **self._options), (self._url, os.path.abspath(self._path))

    def reply_to(self, request: RecordedRequest) -> Reply:
        """The upstream's answer; what it says of its own address is said of the stub's."""
        reply = self._forward.reply_to(request)
        path, query, _ = split_target(request.exchange.target)
        url, host = f"{self._url}{path}{'?' if query else ''}{query}", urlsplit(self._url).netloc
        sent = [("Host", host), *(pair for pair in _decode_lines(request) if pair[0].lower() != "host")]
        body = b"" if request.method == "HEAD" else reply.body
        answer = reply.status, reply.reason or "", list(reply.headers), body
        timings = {"wait": (monotonic() - request.exchange.arrived) * 1000}
        entry = HarEntry(request.method, url, sent, request.body, *answer, request.received_at, timings)
        with self._lock:
            self._entries.append(entry)
            write_har(self._path, self._entries, secrets=self._secrets)
        return make_reply(entry.decoded(), request.host_url.rstrip("/"))
