"""HTTP traffic in the format of browsers' developer tools.  Source: HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/

A `HarEntry` is one request and its response, whoever saw it: a live server, a stub, or a browser that exported a file.
Writing masks secrets unless it is told otherwise; reading takes what Chromium and Firefox write, too.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..core.masking import MASK, mask, mask_header
from ..core.text import describe_error, quote
from ..errors import UsageError
from .content_coding import take_coding_off
from .records import RequestRecord
from .response import describe_status

if TYPE_CHECKING:
    from .capture import Pairs

__all__ = [
    "HarEntry",
    "entry_of",
    "find_header",
    "is_text",
    "make_captured_entries",
    "make_har",
    "read_har",
    "write_har",
]

_PACKAGE = __name__.partition(".")[0]
_TEXT = ("text/", "application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded")
_TEXT_SUFFIXES = ("+json", "+xml")
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection", "keep-alive"))
_EXPORTED_VERSIONS = {"http/0.9": "HTTP/1.0", "http/1.0": "HTTP/1.0"}  # any other is sent as HTTP/1.1


@dataclass(frozen=True)
class HarEntry:
    """One request and its response.

    Attributes:
        method: Such as ``GET``.
        url: The whole URL.
        request_headers: Names and values, in order.
        request_body: As it was sent; empty if there was none, or if it was not kept.
        status: Of the response; 0 if there was none.
        reason: The words after the status.
        response_headers: Names and values, in order.
        response_body: As it was sent, in the Content-Encoding that the headers name; None if it was not kept.
        started_at: Seconds since 1970.
        timings: Milliseconds of what HAR calls ``ssl``, ``send``, ``wait`` and ``receive``; without what is not known.
        version: Such as ``HTTP/1.1``.
        connection: What tells its connection from others.
        comment: What else there is to say, such as why there is no response.
    """

    method: str
    url: str
    request_headers: Pairs = field(default_factory=list)
    request_body: bytes = b""
    status: int = 0
    reason: str = ""
    response_headers: Pairs = field(default_factory=list)
    response_body: bytes | None = b""
    started_at: float = 0.0
    timings: Mapping[str, float] = field(default_factory=dict)
    version: str = "HTTP/1.1"
    connection: str = ""
    comment: str = ""

    def decoded(self) -> HarEntry:
        """The same with a response that has no Content-Encoding, if that can be taken off."""
        coding = find_header(self.response_headers, "content-encoding")
        content = None if self.response_body is None else take_coding_off(self.response_body, coding)
        if content is None:
            return self
        headers = [pair for pair in self.response_headers if pair[0].lower() != "content-encoding"]
        return replace(self, response_headers=headers, response_body=content)


def entry_of(record: RequestRecord, url: str, **messages: Any) -> HarEntry:
    """Make the entry of a request that a server of ours has served.

    Args:
        record: The request.
        url: Its URL.
        messages: Headers, bodies and ``reason``, as `HarEntry` has them.
    """
    status = record.status or 0
    if "reason" not in messages:
        messages["reason"] = describe_status(status).partition(" ")[2] if status else ""
    return HarEntry(
        record.method,
        url,
        status=status,
        started_at=record.received_at,
        timings={name: seconds * 1000 for name, seconds in record.measure().items()},
        version=record.version or "HTTP/1.1",
        connection=str(record.connection_index),
        comment=messages.pop("comment", "") or record.aborted,
        **messages,
    )


def make_captured_entries(records: Iterable[RequestRecord], url: str) -> list[HarEntry]:
    """Make the entries of what was captured by a live server at ``url``."""
    entries = []
    for record in records:
        capture = record.capture
        if capture is None:
            continue
        request, response = capture.request, capture.response
        host = find_header(request.headers, "host")
        base = f"{url.partition('://')[0]}://{host}" if host else url
        lost = "" if request.size == len(request.body) else "not all of the request's body was kept"
        entries.append(
            entry_of(
                record,
                record.target if "://" in record.target else f"{base}{record.target}",
                request_headers=request.headers,
                request_body=request.body,
                response_headers=response.headers,
                response_body=response.body if response.size == len(response.body) else None,
                comment=lost,
            )
        )
    return entries


# -- writing -----------------------------------------------------------------------------------------------------------


def write_har(path: str | os.PathLike[str], entries: Iterable[HarEntry], *, secrets: bool = False) -> None:
    """Write traffic into a file.

    Args:
        path: The file; one that exists is replaced.
        entries: What it is to have, in any order.
        secrets: Whether secrets are written as they were; otherwise ``***`` stands for each.

    Raises:
        UsageError: The file cannot be written.
    """
    text = json.dumps(make_har(entries, secrets=secrets), indent=1, ensure_ascii=False)
    try:
        with open(path, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text + "\n")
    except OSError as error:
        raise UsageError(f"{os.fspath(path)!r} cannot be written: {describe_error(error)}; wanted a file") from error


def make_har(entries: Iterable[HarEntry], *, secrets: bool = False) -> dict[str, Any]:
    """Make the JSON of a HAR file: see `write_har`."""
    ordered = sorted(entries, key=lambda entry: entry.started_at)
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "liveserver_testcase", "version": vars(sys.modules[_PACKAGE])["__version__"]},
            "entries": [_write_entry(entry, secrets=secrets) for entry in ordered],
        }
    }


def _write_entry(entry: HarEntry, *, secrets: bool) -> dict[str, Any]:
    url = entry.url if secrets else mask(entry.url)
    parts = {name: round(entry.timings.get(name, -1.0), 3) for name in ("ssl", "send", "wait", "receive")}
    timings = {"blocked": -1, "dns": -1, "connect": parts["ssl"], **parts}
    timings.update({name: max(0, timings[name]) for name in ("send", "wait", "receive")})  # they are not optional
    written: dict[str, Any] = {
        "startedDateTime": datetime.fromtimestamp(entry.started_at, timezone.utc).isoformat(timespec="milliseconds"),
        "time": round(sum(max(0, timings[name]) for name in ("connect", "send", "wait", "receive")), 3),
        "request": {
            "method": entry.method,
            "url": url,
            "httpVersion": entry.version,
            "cookies": _write_cookies(entry.request_headers, secrets=secrets),
            "headers": _write_headers(entry.request_headers, secrets=secrets),
            "queryString": _write_pairs(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
            "headersSize": -1,
            "bodySize": len(entry.request_body),
        },
        "response": _write_response(entry, secrets=secrets),
        "cache": {},
        "timings": timings,
        "connection": entry.connection,
    }
    if entry.request_body:
        written["request"]["postData"] = _write_post_data(entry, secrets=secrets)
    if entry.comment:
        written["comment"] = entry.comment if secrets else mask(entry.comment)
    return written


def _write_response(entry: HarEntry, *, secrets: bool) -> dict[str, Any]:
    kind = find_header(entry.response_headers, "content-type")
    content: dict[str, Any] = {"size": -1, "mimeType": kind or "x-unknown"}
    size = -1
    if entry.response_body is not None:
        body, size = entry.response_body, len(entry.response_body)
        coding = find_header(entry.response_headers, "content-encoding")
        decoded = take_coding_off(body, coding)
        if decoded is not None:
            body = decoded
            content["compression"] = len(body) - size
        elif coding:
            content["_isEncoded"] = True  # which HAR has no word for
        content["size"] = len(body)
        if body:
            content |= _write_body(body, kind, secrets=secrets)
    return {
        "status": entry.status,
        "statusText": entry.reason,
        "httpVersion": entry.version,
        "cookies": [
            {
                "name": value.partition("=")[0].strip(),
                "value": value.partition(";")[0].partition("=")[2] if secrets else MASK,
            }
            for name, value in entry.response_headers
            if name.lower() == "set-cookie"
        ],
        "headers": _write_headers(entry.response_headers, secrets=secrets),
        "content": content,
        "redirectURL": _write_header("location", find_header(entry.response_headers, "location"), secrets=secrets),
        "headersSize": -1,
        "bodySize": size,
    }


def _write_post_data(entry: HarEntry, *, secrets: bool) -> dict[str, Any]:
    kind = find_header(entry.request_headers, "content-type")
    decoded = take_coding_off(entry.request_body, find_header(entry.request_headers, "content-encoding"))
    written = _write_body(entry.request_body if decoded is None else decoded, kind, secrets=secrets)
    if "encoding" in written:
        written["_encoding"] = written.pop("encoding")  # HAR knows it for responses only
    if kind.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded" and "text" in written:
        written["params"] = _write_pairs(parse_qsl(written["text"], keep_blank_values=True))
    return {"mimeType": kind, **written}


def _write_body(body: bytes, kind: str, *, secrets: bool) -> dict[str, Any]:
    if not secrets:
        body = mask(body)
    if is_text(kind, body):
        try:
            return {"text": body.decode(_charset_of(kind))}
        except (UnicodeDecodeError, LookupError):
            pass
    return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _write_headers(headers: Pairs, *, secrets: bool) -> list[dict[str, str]]:
    return _write_pairs((name, _write_header(name, value, secrets=secrets)) for name, value in headers)


def _write_header(name: str, value: str, *, secrets: bool) -> str:
    """The value without secrets; of cookies the names and attributes are kept, which a client goes by."""
    if secrets:
        return value
    if name.lower() == "set-cookie":
        first, *attributes = value.split(";")
        return ";".join([f"{first.partition('=')[0]}={MASK}", *attributes])
    if name.lower() == "cookie":
        return "; ".join(f"{crumb.strip().partition('=')[0]}={MASK}" for crumb in value.split(";"))
    return mask_header(name, value)


def _write_cookies(headers: Pairs, *, secrets: bool) -> list[dict[str, str]]:
    crumbs = [part for name, value in headers if name.lower() == "cookie" for part in value.split(";") if "=" in part]
    pairs = [crumb.strip().partition("=")[::2] for crumb in crumbs]
    return _write_pairs((name, value if secrets else MASK) for name, value in pairs)


def _write_pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def is_text(kind: str, body: bytes = b"") -> bool:
    """Return True if a body of this Content-Type is to be read as text; without a type, if it can be."""
    plain = kind.partition(";")[0].strip().lower()
    if plain:
        return plain.startswith(_TEXT) or plain.endswith(_TEXT_SUFFIXES)
    try:
        return b"\0" not in body and bool(body.decode()) is bool(body)
    except UnicodeDecodeError:
        return False


def _charset_of(kind: str) -> str:
    for part in kind.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ") or "utf-8"
    return "utf-8"


def find_header(headers: Iterable[tuple[str, str]], name: str) -> str:
    """Return the first value of a header, whose name is in lower case; empty if there is none."""
    return next((value for known, value in headers if known.lower() == name), "")


# -- reading -----------------------------------------------------------------------------------------------------------


def read_har(path: str | os.PathLike[str]) -> list[HarEntry]:
    """Read the traffic that a file has, in the order in which it happened.

    Headers that frame a message, and a Content-Encoding that the file's bodies do not have any more, are left out; so
    are entries without a response, as browsers write them of requests that were blocked or given up, and WebSockets.

    Raises:
        UsageError: It is no HAR file; says where it is wrong.
    """
    where = repr(os.fspath(path))
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {describe_error(error)}; wanted a HAR file") from error
    except ValueError as error:
        raise UsageError(f"{where} is no JSON: {error}; wanted a HAR file") from error
    entries = _get(content, ("log", "entries"))
    if not isinstance(entries, list):
        raise UsageError(f"{where} has no list log.entries; wanted a HAR file, as developer tools save it")
    read = []
    for index, entry in enumerate(entries):
        try:
            read.append(_read_entry(entry))
        except (KeyError, TypeError, ValueError, AttributeError, LookupError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else f"is wrong: {error}"
            raise UsageError(f"{where}: log.entries[{index}] {what}; wanted an entry of HAR 1.2") from error
    return sorted((entry for entry in read if entry.status >= 200), key=lambda entry: entry.started_at)


def _get(content: object, names: Iterable[str]) -> object:
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _read_entry(entry: Mapping[str, Any]) -> HarEntry:
    request, response = entry["request"], entry["response"]
    if not isinstance(request["url"], str) or not urlsplit(request["url"]).netloc:
        raise ValueError(f"request.url is {quote(request['url'])}")
    headers = _read_pairs(response.get("headers", ()))
    content = response.get("content") or {}
    body = _read_body(content.get("text"), content.get("encoding"), content.get("mimeType") or "")
    if body is None and (content.get("size") or 0) <= 0:  # -1 of a redirect in files of Chromium
        body = b""
    dropped = _FRAMING if content.get("_isEncoded") else _FRAMING | {"content-encoding"}
    version = str(request.get("httpVersion", "")).lower()
    return HarEntry(
        str(request["method"]),
        request["url"],
        [pair for pair in _read_pairs(request.get("headers", ())) if pair[0].lower() not in _FRAMING],
        _read_post_data(request.get("postData") or {}),
        int(response["status"]),
        str(response.get("statusText") or ""),
        [pair for pair in headers if pair[0].lower() not in dropped],
        body,
        _read_time(entry["startedDateTime"]),
        {name: value for name, value in (entry.get("timings") or {}).items() if isinstance(value, int | float)},
        _EXPORTED_VERSIONS.get(version, "HTTP/1.1"),
        str(entry.get("connection", "")),
        str(entry.get("comment", "")),
    )


def _read_pairs(items: Iterable[Mapping[str, Any]]) -> Pairs:
    """Names and values; those that HTTP/2 writes with a colon are no headers."""
    pairs = [(str(item["name"]), str(item["value"])) for item in items]
    # several lines of one header, Set-Cookie above all, stand in one value in files of Chromium
    return [(name, line) for name, value in pairs if not name.startswith(":") for line in value.split("\n")]


def _read_time(text: str) -> float:
    stamp = f"{text[:-1]}+00:00" if text.endswith("Z") else text  # Python 3.10 knows no Z
    main, mark, rest = stamp.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return datetime.fromisoformat(f"{main}.{rest[:digits]:0<6.6}{rest[digits:]}" if mark else stamp).timestamp()


def _read_body(text: object, encoding: object, kind: str) -> bytes | None:
    if not isinstance(text, str):
        return None
    if encoding == "base64":
        try:
            return base64.b64decode(text)
        except binascii.Error as error:
            raise ValueError(f"its body is no base64: {error}") from error
    return text.encode(_charset_of(kind), "replace")


def _read_post_data(data: Mapping[str, Any]) -> bytes:
    kind = str(data.get("mimeType") or "")
    body = _read_body(data.get("text"), data.get("_encoding") or data.get("encoding"), kind)
    if body:
        return body
    params = data.get("params") or ()
    if not params:
        return b""
    if "multipart" in kind:
        raise ValueError("request.postData has the fields of a multipart form, and not its text")
    return urlencode([(item["name"], item.get("value", "")) for item in params]).encode()
