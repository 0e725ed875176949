"""The inspector: a page on a server of its own that shows what servers are sent, while it comes.

Nothing of what is shown may run or load anything: templates escape, the page's policy allows its own script and style
alone, and the HTML of a mail stands in a frame without rights.  Nobody but the page may read it: a request that names
another host (DNS rebinding) or comes from another site is refused.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from werkzeug.exceptions import Forbidden, HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from ..mail.message import ReceivedEmail
from ..web.wsgi import WSGIServer
from .feed import Feed, Item, Source
from .views import MAIL_POLICY, get_bodies, make_document, summarize, view_mail, view_request

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Inspector", "load_templates", "read_asset"]

_FOLDER = Path(__file__).parent
_ASSETS = {"inspector.js": "text/javascript", "inspector.css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FRAME_POLICY = f"sandbox allow-popups; {MAIL_POLICY} frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_BATCH = 25  # items in an event
_PULSE = 15.0  # seconds without news after which a page is sent a sign that the connection is there


@functools.cache
def load_templates() -> Environment:
    """Load the templates, in which every value is escaped; an `ImportError` if Jinja2 is not installed."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["size"] = _describe_size
    return made


def read_asset(name: str) -> str:
    """The text of a style sheet or script."""
    return (_FOLDER / "static" / name).read_text(encoding="utf-8")


def _describe_size(size: int) -> str:
    for unit, factor in (("MB", 1_000_000), ("kB", 1000)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes" if size != 1 else "1 byte"


class Inspector:
    """Serves the page; an `ImportError` if Jinja2 is not installed."""

    def __init__(self, sources: list[Source], *, title: str = "", port: int = 0) -> None:
        self._templates = load_templates()
        self._title = title
        self.feed = Feed(sources)
        self._server = WSGIServer(self._answer, "127.0.0.1", port, stop_timeout=0.2)
        self._server.display_name = type(self).__name__
        rules: list[tuple[str, Callable[..., Response]]] = [
            ("/", self._show_page),
            ("/static/<name>", self._show_asset),
            ("/events", self._stream),
            ("/items/<int:number>", self._show_item),
            ("/items/<int:number>/html", self._show_mail),
            ("/items/<int:number>/<part>", self._save),
            ("/items/<int:number>/<part>/<int:index>", self._save),
        ]
        self._map = Map([Rule(path, endpoint=endpoint, methods=["GET"]) for path, endpoint in rules])

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{self._server.url}/"

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self) -> None:
        """Stop; pages that are open lose their connection."""
        self.feed.close()
        self._server.stop()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        try:
            self._refuse_strangers(request)
            endpoint, arguments = self._map.bind_to_environ(environ).match()
            response = endpoint(request, **arguments)
        except HTTPException as error:
            response = error.get_response(environ)
        for name, value in {"Content-Security-Policy": _POLICY, **_HEADERS}.items():
            response.headers.setdefault(name, value)
        return response(environ, start_response)

    def _refuse_strangers(self, request: Request) -> None:
        known = {f"{name}:{self._server.port}" for name in ("127.0.0.1", "localhost")}
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        is_visit = (
            request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") == "document"
        )
        if request.headers.get("Host") not in known:
            raise Forbidden(f"this page is for {self.url} only")
        if (origin is not None and origin.partition("://")[2] not in known) or (
            site not in ("same-origin", "none") and not is_visit
        ):
            raise Forbidden("this page is for nobody but itself")

    # -- the page --------------------------------------------------------------------------------------------------

    def _render(self, template: str, **values: Any) -> Response:
        return Response(self._templates.get_template(template).render(**values), mimetype="text/html")

    def _show_page(self, _request: Request) -> Response:
        return self._render("page.html", title=self._title, sources=self.feed.sources)

    def _show_asset(self, _request: Request, name: str) -> Response:
        if name not in _ASSETS:
            raise NotFound
        return Response(read_asset(name), mimetype=_ASSETS[name])

    def _stream(self, request: Request) -> Response:
        """Send what has come, and then what comes, as server-sent events."""
        last = request.headers.get("Last-Event-ID", "")
        return Response(self._make_events(int(last) if last.isdecimal() else 0), mimetype="text/event-stream")

    def _make_events(self, version: int) -> Iterator[bytes]:
        """The newest come first, a few at a time: that is what is looked at, and older mails have to be parsed yet."""
        yield b"retry: 500\n\n"
        waiting: list[Item] = []
        while True:
            version, items = self.feed.find(version)
            waiting += items
            if waiting:
                news = json.dumps([summarize(item) for item in waiting[-_BATCH:]])
                del waiting[-_BATCH:]
                # A page that comes back goes on from the last id, so there is none while older ones are missing.
                mark = "" if waiting else f"id: {version}\n"
                yield f"{mark}data: {news}\n\n".encode()
            elif not self.feed.wait(version, _PULSE):
                return
            else:
                yield b": \n\n"

    # -- one item --------------------------------------------------------------------------------------------------

    def _find(self, number: int) -> Item:
        item = self.feed.get(number)
        if item is None:
            raise NotFound(f"there is no #{number}, or not any more")
        return item

    def _show_item(self, _request: Request, number: int) -> Response:
        item, base = self._find(number), f"/items/{number}"
        if isinstance(item.entry, ReceivedEmail):
            view = view_mail(item, lambda index, _file: f"{base}/files/{index}", secrets=True)
            return self._render("mail.html", view=view, base=base)
        return self._render("request.html", view=view_request(item, secrets=True), base=base)

    def _show_mail(self, _request: Request, number: int) -> Response:
        """The HTML of a mail, for a frame that may do nothing."""
        mail = self._find(number).entry
        if not isinstance(mail, ReceivedEmail):
            raise NotFound(f"#{number} is no mail")
        response = Response(make_document(mail) if mail.html else "", mimetype="text/html")
        response.headers["Content-Security-Policy"] = _FRAME_POLICY
        return response

    def _save(self, _request: Request, number: int, part: str, index: int | None = None) -> Response:
        """The source of a mail or a file in it, or one of the bodies of a request."""
        item = self._find(number)
        mail = item.entry
        if isinstance(mail, ReceivedEmail):
            files = [*mail.attachments, *mail.inline]
            if part == "source" and index is None:
                return _as_download(mail.raw, f"mail-{number}.eml")
            if part == "files" and index is not None and index < len(files):
                return _as_download(files[index].content, files[index].name or f"file-{index}")
        elif part in ("request", "response") and index is None:
            return _as_download(get_bodies(item)[part == "response"] or b"", f"{part}-{number}")
        raise NotFound(f"#{number} has no {part}{'' if index is None else f' {index}'}")


def _as_download(content: bytes, name: str) -> Response:
    response = Response(content, mimetype="application/octet-stream")
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in name)
    encoded = {} if plain == name else {"filename*": f"UTF-8''{quote(name, safe='')}"}
    response.headers.set("Content-Disposition", "attachment", filename=plain, **encoded)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
