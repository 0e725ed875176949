"""HTTP traffic in the format of browsers' developer tools.  Source: HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/

A `HarEntry` is one request and its response, whoever saw it: a live server, a stub, or a browser that exported a file.
Writing masks secrets unless it is told otherwise; reading takes what Chromium and Firefox write, too.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from werkzeug.http import parse_options_header

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
    "check_path",
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
    """One request and its response; headers are names and values in order."""

    method: str
    url: str  # the whole one
    request_headers: Pairs = field(default_factory=list)
    request_body: bytes = b""  # as it was sent; empty if there was none, or if it was not kept
    status: int = 0  # if there was no response
    reason: str = ""  # the words after the status
    response_headers: Pairs = field(default_factory=list)
    response_body: bytes | None = b""  # as it was sent, with its Content-Encoding; None if it was not kept
    started_at: float = 0.0  # seconds since 1970
    timings: Mapping[str, float] = field(default_factory=dict)  # ms of what HAR calls ``send``, ``wait`` and so on
    version: str = "HTTP/1.1"
    connection: str = ""  # what tells it from others
    comment: str = ""  # what else there is to say, such as why there is no response

    def decoded(self) -> HarEntry:
        """The same with a response that has no Content-Encoding, if that can be taken off."""
        coding = find_header(self.response_headers, "content-encoding")
        content = None if self.response_body is None else take_coding_off(self.response_body, coding)
        if content is None:
            return self
        headers = [pair for pair in self.response_headers if pair[0].lower() != "content-encoding"]
        return replace(self, response_headers=headers, response_body=content)


def entry_of(record: RequestRecord, url: str, **messages: Any) -> HarEntry:
    """Make the entry of a request that a server of ours has served; ``messages`` are attributes of `HarEntry`."""
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
        if record.capture is None:
            continue
        request, response = record.capture.request, record.capture.response
        host = find_header(request.headers, "host")
        base = f"{url.partition('://')[0]}://{host}" if host else url
        entries.append(
            entry_of(
                record,
                record.target if "://" in record.target else f"{base}{record.target}",
                request_headers=request.headers,
                request_body=request.body,
                response_headers=response.headers,
                response_body=response.body if response.size == len(response.body) else None,
                comment="" if request.size == len(request.body) else "not all of the request's body was kept",
            )
        )
    return entries


# -- writing -----------------------------------------------------------------------------------------------------------


def write_har(path: str | os.PathLike[str], entries: Iterable[HarEntry], *, secrets: bool = False) -> None:
    """Write traffic, given in any order, into a file; ``***`` stands for each secret, unless ``secrets`` is true.

    Raises:
        UsageError: The file cannot be written.
    """
    where = check_path(path)
    text = json.dumps(make_har(entries, secrets=secrets), indent=1, ensure_ascii=False)
    try:
        with open(where, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text + "\n")
    except (OSError, ValueError) as error:  # no file can have that name
        raise UsageError(f"{where!r} cannot be written: {describe_error(error)}; wanted a file") from error


def check_path(path: object) -> str | bytes:
    """Return the name of a file; a number would be that of one which is open."""
    if not isinstance(path, str | bytes | os.PathLike):
        raise UsageError(f"path is {quote(path)}; wanted the path of a HAR file")
    return os.fspath(path)


def make_har(entries: Iterable[HarEntry], *, secrets: bool = False) -> dict[str, Any]:
    """Make the JSON of a HAR file: see `write_har`."""
    change: Callable[[bytes], bytes] = bytes if secrets else mask
    ordered = sorted(entries, key=lambda entry: entry.started_at)
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "liveserver_testcase", "version": vars(sys.modules[_PACKAGE])["__version__"]},
            "entries": [_write_entry(each if secrets else _mask_entry(each), change) for each in ordered],
        }
    }


def _mask_entry(entry: HarEntry) -> HarEntry:
    """The entry without secrets, but for its bodies, which are masked when they are decoded."""
    return replace(
        entry,
        url=mask(entry.url),
        request_headers=[(name, _mask_header(name, value)) for name, value in entry.request_headers],
        response_headers=[(name, _mask_header(name, value)) for name, value in entry.response_headers],
        comment=mask(entry.comment),
    )


def _mask_header(name: str, value: str) -> str:
    """The value without secrets; of cookies the names and attributes are kept, which a client goes by."""
    if name.lower() == "set-cookie":
        first, *attributes = value.split(";")
        return ";".join([f"{first.partition('=')[0]}={MASK}", *attributes])
    if name.lower() == "cookie":
        return "; ".join(f"{crumb.strip().partition('=')[0]}={MASK}" for crumb in value.split(";"))
    return mask_header(name, value)


def _write_entry(entry: HarEntry, change: Callable[[bytes], bytes]) -> dict[str, Any]:
    """Write an entry, with the bodies as ``change`` makes them."""
    parts = {name: round(entry.timings.get(name, -1.0), 3) for name in ("ssl", "send", "wait", "receive")}
    timings = {"blocked": -1, "dns": -1, "connect": parts["ssl"], **parts}
    timings.update({name: max(0, timings[name]) for name in ("send", "wait", "receive")})  # they are not optional
    cookies = [crumb for name, value in entry.request_headers if name.lower() == "cookie" for crumb in value.split(";")]
    set_cookies = [
        value.partition(";")[0].partition("=") for name, value in entry.response_headers if name.lower() == "set-cookie"
    ]
    request: dict[str, Any] = {
        "method": entry.method,
        "url": entry.url,
        "httpVersion": entry.version,
        "cookies": _write_pairs(crumb.strip().partition("=")[::2] for crumb in cookies if "=" in crumb),
        "headers": _write_pairs(entry.request_headers),
        "queryString": _write_pairs(parse_qsl(urlsplit(entry.url).query, keep_blank_values=True)),
        "headersSize": -1,
        "bodySize": len(entry.request_body),
    }
    if entry.request_body:
        kind = find_header(entry.request_headers, "content-type")
        coding = find_header(entry.request_headers, "content-encoding")
        decoded = take_coding_off(entry.request_body, coding)
        written: dict[str, Any] = _write_body(change(entry.request_body if decoded is None else decoded), kind)
        if "encoding" in written:
            written["_encoding"] = written.pop("encoding")  # HAR knows it for responses only
        elif kind.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            written["params"] = _write_pairs(parse_qsl(written["text"], keep_blank_values=True))
        request["postData"] = {"mimeType": kind, **written}
    body, kind = entry.response_body, find_header(entry.response_headers, "content-type")
    content: dict[str, Any] = {"size": -1, "mimeType": kind or "x-unknown"}
    if body is not None:
        coding = find_header(entry.response_headers, "content-encoding")
        decoded = take_coding_off(body, coding)
        if decoded is not None:
            content["compression"] = len(decoded) - len(body)
        elif coding:
            content["_isEncoded"] = True  # which HAR has no word for
        whole = body if decoded is None else decoded
        content["size"] = len(whole)
        if whole:
            content |= _write_body(change(whole), kind)
    return {
        "startedDateTime": datetime.fromtimestamp(entry.started_at, timezone.utc).isoformat(timespec="milliseconds"),
        "time": round(sum(max(0, timings[name]) for name in ("connect", "send", "wait", "receive")), 3),
        "request": request,
        "response": {
            "status": entry.status,
            "statusText": entry.reason,
            "httpVersion": entry.version,
            "cookies": _write_pairs((name.strip(), value) for name, _, value in set_cookies),
            "headers": _write_pairs(entry.response_headers),
            "content": content,
            "redirectURL": find_header(entry.response_headers, "location"),
            "headersSize": -1,
            "bodySize": -1 if body is None else len(body),
        },
        "cache": {},
        "timings": timings,
        "connection": entry.connection,
        **({"comment": entry.comment} if entry.comment else {}),
    }


def _write_body(body: bytes, kind: str) -> dict[str, str]:
    if is_text(kind, body):
        with contextlib.suppress(UnicodeDecodeError, LookupError):
            return {"text": body.decode(_charset_of(kind))}
    return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _write_pairs(pairs: Iterable[Iterable[str]]) -> list[dict[str, str]]:
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
    return parse_options_header(kind)[1].get("charset") or "utf-8"


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
    where = repr(check_path(path))
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {describe_error(error)}; wanted a HAR file") from error
    except ValueError as error:
        raise UsageError(f"{where} is no JSON: {error}; wanted a HAR file") from error
    log = content.get("log") if isinstance(content, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
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


def _read_entry(entry: Mapping[str, Any]) -> HarEntry:
    request, response = entry["request"], entry["response"]
    if not isinstance(request["url"], str) or not urlsplit(request["url"]).netloc:
        raise ValueError(f"request.url is {quote(request['url'])}")
    content, posted = response.get("content") or {}, request.get("postData") or {}
    body = _read_body(content.get("text"), content.get("encoding"), content.get("mimeType") or "")
    if body is None and (content.get("size") or 0) <= 0:  # -1 of a redirect in files of Chromium
        body = b""
    kind, params = str(posted.get("mimeType") or ""), posted.get("params") or ()
    sent = _read_body(posted.get("text"), posted.get("_encoding") or posted.get("encoding"), kind)
    if not sent and params and "multipart" in kind:
        raise ValueError("request.postData has the fields of a multipart form, and not its text")
    dropped = _FRAMING if content.get("_isEncoded") else _FRAMING | {"content-encoding"}
    return HarEntry(
        str(request["method"]),
        request["url"],
        _read_headers(request, _FRAMING),
        sent or urlencode([(item["name"], item.get("value", "")) for item in params]).encode(),
        int(response["status"]),
        str(response.get("statusText") or ""),
        _read_headers(response, dropped),
        body,
        _read_time(entry["startedDateTime"]),
        {name: value for name, value in (entry.get("timings") or {}).items() if isinstance(value, int | float)},
        _EXPORTED_VERSIONS.get(str(request.get("httpVersion", "")).lower(), "HTTP/1.1"),
        str(entry.get("connection", "")),
        str(entry.get("comment", "")),
    )


def _read_headers(message: Mapping[str, Any], dropped: frozenset[str]) -> Pairs:
    """Names and values; those that HTTP/2 writes with a colon are no headers."""
    pairs = [(str(item["name"]), str(item["value"])) for item in message.get("headers", ())]
    # several lines of one header, Set-Cookie above all, stand in one value in files of Chromium
    return [
        (name, line)
        for name, value in pairs
        if not name.startswith(":") and name.lower() not in dropped
        for line in value.split("\n")
    ]


def _read_time(text: str) -> float:
    # Python 3.10 knows no Z, and no fraction but one of 3 or 6 digits
    stamp = re.sub(r"\.(\d{1,6})\d*", lambda match: f".{match[1]:0<6}", re.sub("Z$", "+00:00", text))
    return datetime.fromisoformat(stamp).timestamp()


def _read_body(text: object, encoding: object, kind: str) -> bytes | None:
    if not isinstance(text, str):
        return None
    if encoding == "base64":
        try:
            return base64.b64decode(text)
        except binascii.Error as error:
            raise ValueError(f"its body is no base64: {error}") from error
    return text.encode(_charset_of(kind), "replace")
