"""Requests and mails as they are shown: what a page says of each, for the inspector and for the report of a failure."""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from ..core.masking import mask, mask_header
from ..mail.message import Attachment, ReceivedEmail
from ..mail.server import SMTPServer
from ..stub.expectation import Expectation
from ..stub.har import make_entry
from ..stub.request import RecordedRequest
from ..web.capture import WebSocketMessage
from ..web.content_coding import take_coding_off
from ..web.har import find_header, is_text
from ..web.records import Exchange, RequestRecord
from ..web.request_head import parse_head
from ..web.response import describe_status
from ..web.wsgi import make_base_environ
from .feed import Item

__all__ = [
    "MAIL_POLICY",
    "MOST_TEXT",
    "BodyView",
    "MailView",
    "RequestView",
    "Sides",
    "Summary",
    "as_data_url",
    "make_document",
    "mask_text",
    "read_sides",
    "summarize",
    "view_mail",
    "view_request",
]

MOST_TEXT = 200_000
"""Characters of a body that a page shows."""

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/svg+xml", "image/x-icon")

Pairs = Sequence[tuple[str, str]]
Summary = dict[str, Any]
"""One line of a list: JSON values by name."""


def summarize(item: Item) -> Summary:
    """Return what a list says of an item, without secrets."""
    entry = item.entry
    line: Summary = {"number": item.number, "version": item.version, "server": item.source.name}
    if isinstance(entry, ReceivedEmail):
        people = ", ".join(entry.recipients)
        return {
            **line,
            "kind": "mail",
            "at": entry.received_at,
            "subject": mask(entry.subject) or "(no subject)",
            "from": entry.mail_from or "<>",
            "to": people,
            "size": len(entry.raw),
            "attachments": len(entry.attachments),
        }
    return {
        **line,
        "kind": "request",
        "at": entry.received_at,
        "method": entry.method or "?",
        "target": mask(entry.target) if entry.method else "a request that could not be made out",
        "status": entry.status,
        "is_over": entry.is_over,
        "seconds": entry.duration,
        "problem": find_problem(entry),
    }


def find_problem(record: RequestRecord) -> str:
    """Say in a few words what is wrong with an exchange; empty for nothing."""
    if record.errors:
        return f"raised {type(record.errors[0]).__name__}"
    if isinstance(record, Exchange) and isinstance(record.handler_data, RecordedRequest):
        if record.handler_data.is_unmatched:
            return "nothing answers it"
    return record.aborted or getattr(record, "refused", "")


# -- bodies ------------------------------------------------------------------------------------------------------------


def mask_text(text: str) -> str:
    """Mask the beginning of a text, as much as is shown: a million letters would take a second."""
    return mask(text[:MOST_TEXT])


@dataclass(frozen=True)
class BodyView:
    """A body, or a part of one.

    Attributes:
        kind: How it is shown.
        content_type: As sent.
        size: Bytes, decoded.
        text: Of JSON indented, of text as it is; the beginning of a long one.
        rows: Names and values of a form.
        picture: A picture as a ``data:`` URL.
        note: What is not shown, and why.
        parts: Of a multipart form.
    """

    kind: Literal["none", "json", "form", "text", "picture", "binary", "multipart"]
    content_type: str = ""
    size: int = 0
    text: str = ""
    rows: Pairs = ()
    picture: str = ""
    note: str = ""
    parts: Sequence[tuple[str, BodyView]] = ()


def view_body(body: bytes | None, content_type: str, coding: str, *, secrets: bool, note: str = "") -> BodyView:
    """Choose how to show a body.

    Args:
        body: As it was sent; None if it was not kept.
        content_type: Its Content-Type.
        coding: Its Content-Encoding.
        secrets: Whether secrets are shown.
        note: Why there is less than was sent.
    """
    if not body:
        return BodyView("none", content_type, note=note or ("it was not kept" if body is None else ""))
    decoded = take_coding_off(body, coding)
    body = body if decoded is None else decoded
    kind = content_type.partition(";")[0].strip().lower()
    common: dict[str, Any] = {"content_type": content_type, "size": len(body), "note": note}
    if coding and decoded is None:
        return BodyView("binary", **{**common, "note": note or f"it is encoded with {coding}"})
    if kind in _PICTURES:
        return BodyView("picture", picture=as_data_url(kind, body), **common)
    if not secrets:
        if len(body) > MOST_TEXT:
            common["note"] = note or f"only the first {MOST_TEXT:,} bytes are shown"
        body = mask(body[:MOST_TEXT])
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if kind == "multipart/form-data" and boundary:
        return BodyView("multipart", parts=_view_parts(body, boundary[1].encode(), secrets=secrets), **common)
    if not is_text(content_type, body):
        return BodyView("binary", **common)
    text = body.decode("utf-8", "replace")
    if kind == "application/x-www-form-urlencoded":
        return BodyView("form", rows=parse_qsl(text, keep_blank_values=True), **common)
    is_json = kind.endswith("json")
    if is_json:
        try:
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            is_json = False
    if len(text) > MOST_TEXT:
        common["note"] = f"only the first {MOST_TEXT:,} characters are shown"
    return BodyView("json" if is_json else "text", text=text[:MOST_TEXT], **common)


def _view_parts(body: bytes, boundary: bytes, *, secrets: bool) -> list[tuple[str, BodyView]]:
    parts = []
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        named = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        title = named.get("content-disposition", "").partition(";")[2].strip() or "a part without a name"
        kind = named.get("content-type", "text/plain")
        parts.append((title, view_body(content, kind, "", secrets=secrets)))
    return parts


def as_data_url(kind: str, content: bytes) -> str:
    """A ``data:`` URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


# -- requests ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RequestView:
    """One request and its response, as a page shows them.

    Attributes:
        summary: See `summarize`.
        client: The client's address.
        url: The whole URL.
        request_headers: Names and values.
        request_body: What was sent.
        reason: The words after the status.
        response_headers: Names and values.
        response_body: What was answered.
        timings: What took how long, in milliseconds.
        answered_by: Which expectation answered, and where it is written; empty if none did.
        report: Why nothing answered it.
        errors: Tracebacks of what the application raised.
        messages: Of a WebSocket: whether the server sent it, and what.
        curl: The command that sends it again; empty if that is not known.
        note: What is not shown, and why.
    """

    summary: Summary
    client: str
    url: str
    request_headers: Pairs = ()
    request_body: BodyView = BodyView("none")
    reason: str = ""
    response_headers: Pairs = ()
    response_body: BodyView = BodyView("none")
    timings: Pairs = ()
    answered_by: str = ""
    report: str = ""
    errors: Sequence[str] = ()
    messages: Sequence[tuple[bool, str]] = ()
    curl: str = ""
    note: str = ""


@dataclass
class Sides:
    """What is known of both messages of an exchange, before it is made fit to be shown.

    Attributes:
        request_headers: Names and values.
        request_body: As it was sent; None if it was not kept.
        response_headers: Names and values.
        response_body: As it was sent; None if it was not kept.
        more: Further attributes of `RequestView`.
    """

    request_headers: Pairs = ()
    request_body: bytes | None = b""
    response_headers: Pairs = ()
    response_body: bytes | None = b""
    more: dict[str, Any] = field(default_factory=dict)


def view_request(item: Item, *, secrets: bool) -> RequestView:
    """Return what a page shows of a request.

    Args:
        item: The request.
        secrets: Whether secrets are shown; ``***`` stands for each where not.
    """
    record = item.entry
    if not isinstance(record, RequestRecord):
        raise TypeError(f"{record!r} is no request")
    sides = read_sides(item, secrets=secrets)
    show: Callable[[str], str] = str if secrets else mask
    host = find_header(sides.request_headers, "host")
    base = f"{item.source.url.partition('://')[0]}://{host}" if host else item.source.url
    return RequestView(
        {**summarize(item), **({"target": show(record.target)} if record.method else {})},
        client=record.peer,
        url=show(record.target if "://" in record.target else f"{base}{record.target}"),
        request_headers=_show_headers(sides.request_headers, secrets=secrets),
        request_body=_view_side(sides.request_headers, sides.request_body, secrets=secrets),
        response_headers=_show_headers(sides.response_headers, secrets=secrets),
        response_body=_view_side(sides.response_headers, sides.response_body, secrets=secrets),
        timings=_describe_timings(record),
        reason=describe_status(record.status).partition(" ")[2] if record.status else "",
        errors=[show("".join(traceback.format_exception(error)).rstrip()) for error in record.errors],
        **sides.more,
    )


def read_sides(item: Item, *, secrets: bool) -> Sides:
    """Return both messages of an exchange as they were, as far as they are known; see `view_request`."""
    record = item.entry
    request = record.handler_data if isinstance(record, Exchange) else None
    if isinstance(request, RecordedRequest):
        return _read_stub(request, item.source.url, secrets=secrets)
    return _read_live(record, item.source.url, secrets=secrets) if isinstance(record, RequestRecord) else Sides()


def _read_live(record: RequestRecord, url: str, *, secrets: bool) -> Sides:
    capture = record.capture
    if capture is None:
        note = "its server keeps no headers and bodies: set live_capture = True, or LIVESERVER_CAPTURE=1"
        return Sides(more={"note": note})
    lost = capture.response.size - len(capture.response.body)
    note = f"{lost:,} bytes of the response's body are not kept" if lost else ""
    return Sides(
        capture.request.headers,
        capture.request.body,
        capture.response.headers,
        capture.response.body,
        {"messages": _list_messages(capture.messages), "note": note, "curl": _write_curl(record, url, secrets=secrets)},
    )


def _write_curl(record: RequestRecord, url: str, *, secrets: bool) -> str:
    """The command that sends a live request again; empty for a WebSocket, or where not all of the body was kept."""
    request = record.capture.request if record.capture is not None else None
    if request is None or record.method == "WEBSOCKET" or request.size != len(request.body):
        return ""
    lines = [
        f"{record.method} {record.target} {record.version}",
        *(f"{name}: {value}" for name, value in request.headers),
    ]
    head = parse_head("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))
    place = urlsplit(url)
    base = make_base_environ(place.scheme, place.hostname or "", place.port or 0)
    return RecordedRequest(Exchange(head, 0, 0, record.address), request.body, base).curl(secrets=secrets)


def _list_messages(messages: Sequence[WebSocketMessage]) -> list[tuple[bool, str]]:
    """What was exchanged on a WebSocket: whether the server sent it, and what."""
    shown = []
    for message in messages:
        data = message.data if isinstance(message.data, str) else repr(message.data)
        code = "" if message.code is None else f" {message.code}"
        shown.append((message.sent, data if message.kind == "message" else f"{message.kind}{code} {data}".rstrip()))
    return shown


def _read_stub(request: RecordedRequest, url: str, *, secrets: bool) -> Sides:
    entry = make_entry(request.exchange, url)
    if entry is None:
        return Sides()
    more: dict[str, Any] = {"curl": request.curl(secrets=secrets), "note": entry.comment}
    if request.websocket is not None:
        more["messages"] = _list_messages(request.websocket.messages)
    expectation, reply = request.expectation, request.reply
    if isinstance(expectation, Expectation):
        more["answered_by"] = f"{expectation.describe()}, written at {expectation.location}"
    elif request.is_unmatched and reply is not None:
        more["report"] = reply.body.decode("utf-8", "replace")
    return Sides(entry.request_headers, entry.request_body, entry.response_headers, entry.response_body, more)


def _view_side(headers: Pairs, body: bytes | None, *, secrets: bool) -> BodyView:
    return view_body(
        body, find_header(headers, "content-type"), find_header(headers, "content-encoding"), secrets=secrets
    )


def _show_headers(headers: Pairs, *, secrets: bool) -> Pairs:
    return [(name, value if secrets else mask_header(name, value)) for name, value in headers]


_PARTS = {"ssl": "TLS", "send": "request", "wait": "waiting", "receive": "response"}


def _describe_timings(record: RequestRecord) -> Pairs:
    took = record.measure()
    return [(title, f"{took[name] * 1000:.1f} ms") for name, title in _PARTS.items() if name in took]


# -- mails -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AttachmentView:
    """A file in a mail.

    Attributes:
        name: Its name, or its type if it has none.
        kind: Its type.
        size: Bytes.
        url: Where it can be had, as a ``data:`` URL or on the page's server; empty for nowhere.
    """

    name: str
    kind: str
    size: int
    url: str


@dataclass(frozen=True)
class MailView:
    """One mail, as a page shows it.

    Attributes:
        summary: See `summarize`.
        fields: Names and values of what people look at first: From, To and so on.
        headers: All header fields.
        text: The plain text.
        html: A whole document with the HTML, to be shown where it can neither run nor load anything; empty if none.
        links: What each says, and where it leads.
        codes: One-time codes.
        attachments: Its files, and pictures that are shown inside.
        defects: What is wrong with it.
        source: The mail as it was sent; the beginning of a long one.  Empty without secrets: what is encoded cannot be
            masked.
        transcript: What was said in SMTP, as far as its session is known.
    """

    summary: Summary
    fields: Pairs
    headers: Pairs
    text: str
    html: str
    links: Pairs
    codes: Sequence[str]
    attachments: Sequence[AttachmentView]
    defects: Sequence[str]
    source: str
    transcript: str


def view_mail(item: Item, locate: Callable[[int, Attachment], str], *, secrets: bool) -> MailView:
    """Return what a page shows of a mail.

    Args:
        item: The mail.
        locate: Gives the URL of an attachment, by its number and itself; empty for none.
        secrets: Whether secrets are shown; ``***`` stands for each where not.
    """
    show: Callable[[str], str] = str if secrets else mask_text
    mail = item.entry
    if not isinstance(mail, ReceivedEmail):
        raise TypeError(f"{mail!r} is no mail")
    fields = [
        (name, value) for name in ("From", "To", "Cc", "Reply-To", "Date") if (value := mail.headers.get(name, ""))
    ]
    fields.append(("Envelope", f"{mail.mail_from or '<>'} → {', '.join(mail.recipients)}"))
    if mail.refused:
        fields.append(("Refused", ", ".join(mail.refused)))
    files = [*mail.attachments, *mail.inline]
    return MailView(
        {**summarize(item), "subject": show(mail.subject) or "(no subject)"},
        [(name, show(value)) for name, value in fields],
        [(name, value if secrets else mask_header(name, value)) for name, value in mail.headers.items()],
        show(mail.text),
        make_document(mail, show) if mail.html else "",
        [(show(link.text or link.url), show(link.url)) for link in mail.links()],
        mail.codes(),
        [
            AttachmentView(each.name or each.content_type, each.content_type, len(each.content), locate(number, each))
            for number, each in enumerate(files)
        ],
        mail.defects,
        mail.raw[:MOST_TEXT].decode("utf-8", "replace") if secrets else "",
        _find_transcript(item.source.server, mail) if isinstance(item.source.server, SMTPServer) else "",
    )


def _find_transcript(server: SMTPServer, mail: ReceivedEmail) -> str:
    peer = mail.session.peer if mail.session is not None else None
    return next((session.transcript for session in reversed(server.sessions) if session.peer == peer), "")


MAIL_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
"""What the HTML of a mail may do: be styled, and show the pictures that it has brought."""


def make_document(mail: ReceivedEmail, show: Callable[[str], str] = str) -> str:
    """Make a document of a mail's HTML that loads nothing, with its own pictures in it.

    Args:
        mail: The mail.
        show: What is done to its HTML before, such as `mask`.
    """
    html = show(mail.html)
    for each in mail.inline:
        if each.content_id:
            url = as_data_url(each.content_type if each.content_type in _PICTURES else "image/png", each.content)
            for known in {each.content_id, quote(each.content_id)}:
                html = re.sub(rf"(?i)cid:{re.escape(known)}(?=[\"'\s)>])", lambda _: url, html)  # noqa: B023
    return f'<meta http-equiv="Content-Security-Policy" content="{MAIL_POLICY}"><base target="_blank">\n{html}'
