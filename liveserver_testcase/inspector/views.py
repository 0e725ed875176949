"""Requests and mails as they are shown: what a page says of each, for the inspector and for the report of a failure.

A *view* is what a template is given: its names stand in ``request.html``, ``mail.html`` and ``parts.html``.
"""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from werkzeug.http import parse_options_header

from ..core.masking import mask, mask_header
from ..mail.message import Attachment, ReceivedEmail
from ..mail.server import SMTPServer
from ..stub.expectation import Expectation
from ..stub.har import make_entry, read_parts
from ..stub.request import RecordedRequest
from ..web.capture import Capture, WebSocketMessage
from ..web.content_coding import take_coding_off
from ..web.har import HarEntry, find_header, is_text, make_captured_entries
from ..web.records import Exchange, RequestRecord
from ..web.request_head import parse_head
from ..web.response import describe_status
from ..web.wsgi import make_base_environ
from .feed import Item

__all__ = [
    "MAIL_POLICY",
    "MOST_TEXT",
    "as_data_url",
    "get_bodies",
    "make_document",
    "make_har_entry",
    "mask_text",
    "summarize",
    "view_mail",
    "view_request",
]

MOST_TEXT = 200_000
"""Characters of a body that a page shows."""

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/svg+xml", "image/x-icon")
_TIMINGS = {"ssl": "TLS", "send": "request", "wait": "waiting", "receive": "response"}

View: TypeAlias = dict[str, Any]


# -- one line of a list ------------------------------------------------------------------------------------------------


def summarize(item: Item) -> dict[str, Any]:
    """Return what a list says of an item, without secrets, as values of JSON."""
    entry = item.entry
    line = {"number": item.number, "version": item.version, "server": item.source.name, "at": entry.received_at}
    if isinstance(entry, ReceivedEmail):
        return {
            **line,
            "kind": "mail",
            "subject": mask(entry.subject) or "(no subject)",
            "from": entry.mail_from or "<>",
            "to": ", ".join(entry.recipients),
            "size": len(entry.raw),
            "attachments": len(entry.attachments),
        }
    request = _find_request(entry)
    if entry.errors:
        problem = f"raised {type(entry.errors[0]).__name__}"
    elif request is not None and request.is_unmatched:
        problem = "nothing answers it"
    else:
        problem = entry.aborted or getattr(entry, "refused", "")
    return {
        **line,
        "kind": "request",
        "method": entry.method or "?",
        "target": mask(entry.target) if entry.method else "a request that could not be made out",
        "status": entry.status,
        "is_over": entry.is_over,
        "seconds": entry.duration,
        "problem": problem,
    }


def _find_request(entry: object) -> RecordedRequest | None:
    """The request of a stub that an entry of its journal is of."""
    request = entry.handler_data if isinstance(entry, Exchange) else None
    return request if isinstance(request, RecordedRequest) else None


# -- bodies ------------------------------------------------------------------------------------------------------------


def mask_text(text: str) -> str:
    """Mask the beginning of a text, as much as is shown: a million letters would take a second."""
    return mask(text[:MOST_TEXT])


def as_data_url(kind: str, content: bytes) -> str:
    """A ``data:`` URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _view_body(headers: Sequence[tuple[str, str]], body: bytes | None, *, secrets: bool) -> View:
    """Choose how to show a body, which is None if it was not kept."""
    content_type, coding = find_header(headers, "content-type"), find_header(headers, "content-encoding")
    if not body:
        return {"kind": "none", "note": "it was not kept" if body is None else ""}
    decoded = take_coding_off(body, coding)
    body = body if decoded is None else decoded
    kind, options = parse_options_header(content_type)
    view: View = {"kind": "binary", "content_type": content_type, "size": len(body), "note": ""}
    if coding and decoded is None:
        return {**view, "note": f"it is encoded with {coding}"}
    if kind in _PICTURES:
        return {**view, "kind": "picture", "picture": as_data_url(kind, body)}
    if not secrets:
        if len(body) > MOST_TEXT:
            view["note"] = f"only the first {MOST_TEXT:,} bytes are shown"
        body = mask(body[:MOST_TEXT])
    if kind == "multipart/form-data" and options.get("boundary"):
        parts = []
        for part in read_parts(body, options["boundary"]):
            head, _, content = part.partition(b"\r\n\r\n")
            lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
            fields = [(name.strip(), value.strip()) for name, _, value in lines]
            title = find_header(fields, "content-disposition").partition(";")[2].strip() or "a part without a name"
            part_type = find_header(fields, "content-type") or "text/plain"
            parts.append((title, _view_body([("content-type", part_type)], content, secrets=secrets)))
        return {**view, "kind": "multipart", "parts": parts}
    if not is_text(content_type, body):
        return view
    text = body.decode("utf-8", "replace")
    if kind == "application/x-www-form-urlencoded":
        return {**view, "kind": "form", "rows": parse_qsl(text, keep_blank_values=True)}
    view["kind"] = "text"
    if kind.endswith("json"):
        try:
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    if len(text) > MOST_TEXT:
        view["note"] = f"only the first {MOST_TEXT:,} characters are shown"
    return {**view, "text": text[:MOST_TEXT]}


# -- requests ----------------------------------------------------------------------------------------------------------


def make_har_entry(item: Item) -> HarEntry | None:
    """Return both messages of an exchange; None for a mail, and for a request of which neither is kept."""
    if isinstance(item.entry, ReceivedEmail):
        return None
    if _find_request(item.entry) is not None:
        return make_entry(item.entry, item.source.url)  # type: ignore[arg-type]  # an Exchange
    return next(iter(make_captured_entries([item.entry], item.source.url)), None)


def get_bodies(item: Item) -> tuple[bytes | None, bytes | None]:
    """Return the bodies of a request and of its response; of a live one's long response the beginning."""
    entry, capture = make_har_entry(item), getattr(item.entry, "capture", None)
    if isinstance(capture, Capture):
        return capture.request.body, capture.response.body
    return (entry.request_body, entry.response_body) if entry is not None else (b"", b"")


def view_request(item: Item, *, secrets: bool) -> View:
    """Return what a page shows of a request; ``***`` stands for each secret, unless they are wanted."""
    record = item.entry
    if not isinstance(record, RequestRecord):
        raise TypeError(f"{record!r} is no request")
    show: Callable[[str], str] = str if secrets else mask
    entry, request, capture = make_har_entry(item), _find_request(record), record.capture
    if entry is None:
        entry = HarEntry(
            record.method, record.target if "://" in record.target else f"{item.source.url}{record.target}"
        )
    request_body, response_body = get_bodies(item)
    took = record.measure()
    view: View = {
        "summary": {**summarize(item), **({"target": show(record.target)} if record.method else {})},
        "client": record.peer,
        "url": show(entry.url),
        "request_headers": _show_headers(entry.request_headers, secrets=secrets),
        "request_body": _view_body(entry.request_headers, request_body, secrets=secrets),
        "reason": describe_status(record.status).partition(" ")[2] if record.status else "",
        "response_headers": _show_headers(entry.response_headers, secrets=secrets),
        "response_body": _view_body(entry.response_headers, response_body, secrets=secrets),
        "timings": [(title, took[name]) for name, title in _TIMINGS.items() if name in took],
        "errors": [show("".join(traceback.format_exception(error)).rstrip()) for error in record.errors],
        **dict.fromkeys(("answered_by", "report", "messages", "curl", "note"), ""),
    }
    if request is not None:
        view |= {"curl": request.curl(secrets=secrets), "note": entry.comment}
        expectation, reply = request.expectation, request.reply
        if request.websocket is not None:
            view["messages"] = _list_messages(request.websocket.messages)
        if isinstance(expectation, Expectation):
            view["answered_by"] = f"{expectation.describe()}, written at {expectation.location}"
        elif request.is_unmatched and reply is not None:
            view["report"] = reply.body.decode("utf-8", "replace")
    elif capture is not None:
        lost = capture.response.size - len(capture.response.body)
        view["note"] = f"{lost:,} bytes of the response's body are not kept" if lost else ""
        view["messages"] = _list_messages(capture.messages)
        if record.method != "WEBSOCKET" and capture.request.size == len(capture.request.body):
            view["curl"] = _write_curl(record, capture, item.source.url, secrets=secrets)
    elif item.source.kind == "live":
        view["note"] = "its server keeps no headers and bodies: set live_capture = True, or LIVESERVER_CAPTURE=1"
    return view


def _write_curl(record: RequestRecord, capture: Capture, url: str, *, secrets: bool) -> str:
    """The command that sends a live request again, as a stub would write it that had been sent it."""
    lines = [f"{record.method} {record.target} {record.version}"]
    lines += [f"{name}: {value}" for name, value in capture.request.headers]
    head = parse_head("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))
    place = urlsplit(url)
    base = make_base_environ(place.scheme, place.hostname or "", place.port or 0)
    return RecordedRequest(Exchange(head, 0, 0, record.address), capture.request.body, base).curl(secrets=secrets)


def _list_messages(messages: Sequence[WebSocketMessage]) -> list[tuple[bool, str]]:
    """What was exchanged on a WebSocket: whether the server sent it, and what."""
    shown = []
    for message in messages:
        data = message.data if isinstance(message.data, str) else repr(message.data)
        code = "" if message.code is None else f" {message.code}"
        shown.append((message.sent, data if message.kind == "message" else f"{message.kind}{code} {data}".rstrip()))
    return shown


def _show_headers(headers: Sequence[tuple[str, str]], *, secrets: bool) -> list[tuple[str, str]]:
    return [(name, value if secrets else mask_header(name, value)) for name, value in headers]


# -- mails -------------------------------------------------------------------------------------------------------------


def view_mail(item: Item, locate: Callable[[int, Attachment], str], *, secrets: bool) -> View:
    """Return what a page shows of a mail; ``locate`` gives the URL of an attachment, or nothing for none."""
    show: Callable[[str], str] = str if secrets else mask_text
    mail, server = item.entry, item.source.server
    if not isinstance(mail, ReceivedEmail):
        raise TypeError(f"{mail!r} is no mail")
    peer = mail.session.peer if mail.session is not None else None
    sessions = [each for each in server.sessions if each.peer == peer] if isinstance(server, SMTPServer) else []
    fields = [(name, mail.headers.get(name, "")) for name in ("From", "To", "Cc", "Reply-To", "Date")]
    fields.append(("Envelope", f"{mail.mail_from or '<>'} → {', '.join(mail.recipients)}"))
    fields.append(("Refused", ", ".join(mail.refused)))
    return {
        "summary": {**summarize(item), "subject": show(mail.subject) or "(no subject)"},
        "fields": [(name, show(value)) for name, value in fields if value],
        "headers": _show_headers([*mail.headers.items()], secrets=secrets),
        "text": show(mail.text),
        "html": make_document(mail, show) if mail.html else "",
        "links": [(show(link.text or link.url), show(link.url)) for link in mail.links()],
        "codes": mail.codes(),
        "attachments": [(each, locate(number, each)) for number, each in enumerate([*mail.attachments, *mail.inline])],
        "defects": mail.defects,
        # what is encoded in it cannot be masked
        "source": mail.raw[:MOST_TEXT].decode("utf-8", "replace") if secrets else "",
        "transcript": sessions[-1].transcript if sessions else "",
    }


MAIL_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
"""What the HTML of a mail may do: be styled, and show the pictures that it has brought."""


def make_document(mail: ReceivedEmail, show: Callable[[str], str] = str) -> str:
    """Make a document of a mail's HTML, after ``show``, that loads nothing, with its own pictures in it."""
    html = show(mail.html)
    for each in mail.inline:
        if each.content_id:
            url = as_data_url(each.content_type if each.content_type in _PICTURES else "image/png", each.content)
            for known in {each.content_id, quote(each.content_id)}:
                html = re.sub(rf"(?i)cid:{re.escape(known)}(?=[\"'\s)>])", lambda _: url, html)  # noqa: B023
    return f'<meta http-equiv="Content-Security-Policy" content="{MAIL_POLICY}"><base target="_blank">\n{html}'
