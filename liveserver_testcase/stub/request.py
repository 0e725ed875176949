"""A request as the stub recorded it."""

from __future__ import annotations

import functools
import io
import json
import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, NoReturn

from werkzeug.datastructures import Authorization, Headers, ImmutableMultiDict
from werkzeug.sansio.utils import get_host
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request

from ..core.checks import suggest_more_keywords
from ..core.journal import JournalWindow
from ..core.masking import mask, mask_header
from ..core.text import count, one_line, quote
from ..core.tls import TLSFacts
from ..web.content_coding import DecodedContent, decode_content
from ..web.records import Exchange
from ..web.request_head import Head, parse_head, split_target
from ..web.wsgi import describe_request
from . import parsing
from .matcher import Mismatch
from .matching import CRITERIA, Criteria, CriteriaKeywords, make_criteria
from .reply import Reply

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .connection import StubConnection
    from .hold import Hold
    from .websocket import WebSocketConnection

__all__ = ["RecordedRequest"]

_suggest = suggest_more_keywords(*CRITERIA)
# What clients send by themselves; of a command that is only read it is left out.
_NOISE = ("accept-encoding", "connection", "expect", "transfer-encoding", "user-agent")
_LONGEST = 2000  # bytes of a body that still stands in a line
_PLAIN = re.compile(r"/[\w\-.~!$&'()*+,;=:@%/{}\[\]]*(\?[\w\-.~!$&'()*+,;=:@%/?{}\[\]]+)?", re.ASCII)
_GLOBBED = re.compile(r"[][{}]")
_DOTS = re.compile(r"/(?:\.|%2[Ee]){1,2}(?:[/?]|\Z)")


class RecordedRequest(Request):
    """A werkzeug ``Request`` with its body read, and its place on the wire.

    Everything of werkzeug's is there (``args``, ``form``, ``files``, ``cookies``, ``headers``, ``json``,
    ``get_data()``), also after the exchange is over, and from any thread.  Its limits are off: what was sent can be
    looked at, however large it is.

    Attributes:
        method: Such as ``GET``.
        body: The whole body, as bytes; see `body_size` for what was not kept.
        body_size: How many bytes the body had.
        raw_path: The path as it was sent, percent-encoding and all, without the query.
        plain_path: The path as criteria see it: decoded, but for ``%2F``.
        expectation: The `Expectation` that answers or forbids it; None if none does.
        turn: Its number among the requests of its expectation, from 0.
        path_params: What the placeholders of its expectation's path stood for; empty while it has none.
        reply: What it is answered with; None until that is decided.
        exchange: How the answer went.
        failure: Why it is not whole: what the client did in the middle of it; empty if it is.
        tls: What was agreed upon in the handshake; None without TLS.
        is_unmatched: Whether nothing answered it.
        is_taken: Whether `HTTPStub.take_request` has returned it.
        held_by: The `Hold` that keeps its answer back; None at all other times.
        websocket: The `WebSocketConnection` that it has opened; None if it has opened none.
    """

    max_content_length = None
    max_form_memory_size = None
    max_form_parts = None  # type: ignore[assignment]

    path_params: Mapping[str, Any] = MappingProxyType({})

    # what most requests have none of is kept by those that have it
    body_size = 0
    expectation: object | None = None
    turn = 0
    newest = 0  # if nothing answers it: the number of the newest expectation that was there
    reply: Reply | None = None
    failure = ""
    is_paused = False  # its answer is kept back on purpose: by a delay, a fault, or a test that holds it
    awaits_body = False  # it is being decided upon before its body has been read
    is_unmatched = False
    is_taken = False
    held_by: Hold | None = None
    tls: TLSFacts | None = None
    serving: StubConnection | None = None  # the connection, while an answer is being made
    websocket: WebSocketConnection | None = None

    _is_read = True  # until __init__ says otherwise, so that a half-made object (copy.copy) does not recurse

    def __init__(self, exchange: Exchange, body: bytes, base: dict[str, Any]) -> None:
        """Keep what a criterion is likely to look at; ``base`` is what is the same in every environ of the server."""
        self._is_read = False
        head = exchange.head
        self._block = head.block if head is not None else b""
        self._base = base
        self.exchange = exchange
        self.method = exchange.method
        self.body = body
        if body:
            self.body_size = len(body)
        self.raw_path = exchange.path or exchange.target  # OPTIONS *
        self.plain_path = parsing.decode_path(self.raw_path)

    if not TYPE_CHECKING:  # a type checker would believe that every name is there

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there yet: have werkzeug read the request."""
            if not self._is_read:  # two threads may do so at once; what they set is the same
                super().__init__(self.make_environ(), populate_request=False)
                self._cached_data = self.content if self.body else b""
                self._is_read = True
            return super().__getattribute__(name)  # another thread may have set it since it was found missing

    def make_environ(self) -> dict[str, Any]:
        """A WSGI environ of the request, with its body to be read from the beginning."""
        exchange = self.exchange
        environ = describe_request(self.head, exchange.address, self._base)
        return {**environ, "wsgi.input": io.BytesIO(self.body), "liveserver.exchange": exchange}

    @property
    def head(self) -> Head:
        """Its request line and headers."""
        return parse_head(self._block, accepts_connect=True)

    @property
    def header_lines(self) -> list[tuple[bytes, bytes]]:
        """The header lines as they were sent, in order: names, and values without white space around them."""
        return self.head.headers

    # -- what werkzeug would read otherwise ----------------------------------------------------------------------------

    @cached_property
    def json_module(self) -> Any:
        """What werkzeug reads JSON with."""
        return SimpleNamespace(loads=self._parse_json, dumps=json.dumps)

    @cached_property
    def header_values(self) -> Mapping[str, tuple[str, str]]:
        """Each header by its name in lower case: its name, and its value on however many lines it came."""
        return parsing.join_lines(self.header_lines)

    @property
    def headers(self) -> Headers:
        """The headers; several lines of one are one value, with commas."""
        known: Headers | None = self.__dict__.get("_headers")
        if known is None:
            known = self.__dict__["_headers"] = Headers(self.header_values.values())
        return known

    @headers.setter
    def headers(self, _environ: object) -> None:
        """Those of an environ are not kept: they lack names with ``_``, and take all octets for Latin-1."""

    @cached_property
    def args(self) -> ImmutableMultiDict[str, str]:
        """The parameters of the query."""
        return ImmutableMultiDict(parsing.parse_form(self.query_string))

    @cached_property
    def host(self) -> str:
        """The host that it was made to, with its port if that is not the usual one; a target that names one wins."""
        named = self.head.target if self.method == "CONNECT" else split_target(self.head.target)[2]
        return get_host(self.scheme, named or self.headers.get("Host"), self.server)

    @cached_property
    def raw_cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies as they were sent."""
        return ImmutableMultiDict(parsing.parse_cookies(self.headers.get("Cookie", "")))

    @cached_property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies; values without the quotes that servers put around some."""
        return ImmutableMultiDict(
            (name, parsing.unquote_cookie(value)) for name, value in self.raw_cookies.items(multi=True)
        )

    @cached_property
    def authorization(self) -> Authorization | None:
        """The credentials; a name and a password may be in UTF-8 or in Latin-1."""
        return parsing.parse_authorization(self.headers.get("Authorization"))

    # -- content -------------------------------------------------------------------------------------------------------

    @property
    def content(self) -> bytes:
        """The body without its Content-Encoding, if that is gzip, deflate or br; empty if it cannot be decoded."""
        return self._decoded.content

    @property
    def content_problem(self) -> str:
        """Why the Content-Encoding cannot be taken off; empty if it can, or if there is none."""
        return self._decoded.problem

    @cached_property
    def _decoded(self) -> DecodedContent:
        coding = self.head.variables.get("HTTP_CONTENT_ENCODING") if self.body else None
        return DecodedContent(self.body) if coding is None else decode_content(self.body, coding)

    @cached_property
    def charset(self) -> str:
        """The charset of its Content-Type; ``utf-8`` if that names none, or none for text."""
        return parsing.find_charset(self.mimetype_params.get("charset"))

    @cached_property
    def text(self) -> str:
        """The content as text in its `charset`, without a byte order mark; what does not decode is replaced."""
        return self.content.decode("utf-8-sig" if self.charset == "utf-8" else self.charset, "replace")

    @cached_property
    def json_value(self) -> object:
        """The content as JSON, whatever its Content-Type; `NO_JSON` if it is none."""
        try:
            return self._parse_json(self.content)
        except ValueError:
            return parsing.NO_JSON

    def _parse_json(self, content: bytes) -> Any:
        return parsing.parse_json(content, lambda: self.charset)

    def _load_form_data(self) -> None:
        """Read a form as werkzeug does, but in its charset."""
        super()._load_form_data()
        pairs = self.__dict__
        if self.mimetype == "application/x-www-form-urlencoded":
            pairs["form"] = ImmutableMultiDict(parsing.parse_form(self.content, self.charset))
        elif pairs["form"] and (self.charset != "utf-8" or re.search(rb"(?i)charset", self.content)):
            boundary = self.mimetype_params.get("boundary", "").encode("latin-1")
            parser = parsing.FormParser(self._get_file_stream, cls=ImmutableMultiDict)
            parser.charset = pairs["form"].get("_charset_") or self.charset
            pairs["form"] = parser.parse(io.BytesIO(self.content), boundary, len(self.content))[0]

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Keep an uploaded file in memory, where its body is anyway: nobody would close a temporary file."""
        return io.BytesIO()

    # -- its place on the wire -------------------------------------------------------------------------------------

    @property
    def index(self) -> int:
        """Its number among all that the stub was sent, from 0."""
        return self.exchange.index

    @property
    def connection_index(self) -> int:
        """The connection it came on, from 0."""
        return self.exchange.connection_index

    @property
    def exchange_index(self) -> int:
        """Its number on that connection, from 0: above 0 the connection was used again."""
        return self.exchange.exchange_index

    @property
    def received_at(self) -> float:
        """When it arrived: seconds since 1970."""
        return self.exchange.received_at

    @property
    def duration(self) -> float | None:
        """Seconds from its arrival to the end of its answer; None while it is being answered."""
        return self.exchange.duration

    @property
    def client_ip(self) -> str:
        """The client's address, without its port."""
        return str(self.exchange.address[0])

    @property
    def chunk_sizes(self) -> tuple[int, ...]:
        """The sizes of the chunks, if its body came in chunks."""
        return tuple(self.exchange.chunk_sizes)

    @property
    def trailers(self) -> dict[str, str]:
        """The headers that followed a body in chunks; their names in lower case, of two with one name the last."""
        pairs = self.exchange.trailers
        return {name.decode("latin-1").lower(): parsing.decode_octets(value) for name, value in pairs}

    @property
    def opens_websocket(self) -> bool:
        """Whether it is the handshake of a WebSocket."""
        return self.headers.get("Upgrade", "").lower() == "websocket"

    @property
    def window(self) -> JournalWindow:
        """The test in which it arrived."""
        return self.exchange.window

    # -- comparing, and as text ----------------------------------------------------------------------------------------

    @_suggest
    def matches(self, method: object = None, path: object = None, /, **criteria: Unpack[CriteriaKeywords]) -> bool:
        """Whether it has all that is wanted: see `CriteriaKeywords`.

        Raises:
            UsageError: No request can match.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return _make_criteria(method, path, criteria).matches(self)

    @_suggest
    def difference(
        self, method: object = None, path: object = None, /, **criteria: Unpack[CriteriaKeywords]
    ) -> list[Mismatch]:
        """The differences from what is wanted, each as a readable object; empty if it `matches`."""
        return _make_criteria(method, path, criteria).compare(self)

    def curl(self, *, secrets: bool = False) -> str:
        """The command that sends it again, to the stub's own address, whatever host it names.

        It is given a body that is binary, or longer than 2,000 bytes, on its standard input.

        Args:
            secrets: Whether it sends exactly the same: with passwords, tokens and keys, and with what clients send by
                themselves, such as ``User-Agent``.  Otherwise ``***`` stands for the first, and the second is left out.
        """
        base = self._base
        base_url = f"{base['wsgi.url_scheme']}://{base['SERVER_NAME']}:{base['SERVER_PORT']}"
        words = ["curl", "--noproxy", "'*'"]
        proxy = base.get("liveserver.proxy")
        if proxy is not None:  # it came through a tunnel, as curl makes one for https
            words = ["curl", "--noproxy", "''", "--proxy", proxy, "--proxytunnel"]
            base_url = base_url.removesuffix(":443" if base_url.startswith("https:") else ":80")
        if base_url.startswith("https:"):
            words.append("--insecure")
        if self.head.version == "HTTP/1.0":
            words.append("--http1.0")
        lines = self.header_lines
        named = {name.lower() for name, _ in lines}
        has_body = bool(self.body) or b"content-length" in named or b"transfer-encoding" in named
        if self.method == "HEAD":  # -I refuses a body, and after -X HEAD curl waits for the body of the answer
            words += ["-X", "HEAD", "--max-filesize", "1", "--max-time", "2"] if has_body else ["-I"]
        elif self.method != ("POST" if has_body else "GET"):
            words += ["-X", _quote(self.method.encode())]
        host = base_url.partition("://")[2].encode()
        for octets, value in lines:
            name = octets.decode("ascii")
            key = name.lower()
            if key == "content-length" or (octets, value) == (b"Host", host):  # curl says so itself
                continue
            if not secrets and (key in _NOISE or (key, value) == ("accept", b"*/*")):
                continue
            shown = value if secrets else mask_header(name, parsing.decode_octets(value)).encode()
            words += ["-H", _quote(octets + b": " + shown if value else octets + b";")]
        added = [b"Host"]  # what curl adds where nothing was sent
        added += [b"User-Agent", b"Accept"] if secrets else []
        added += [b"Content-Type"] if has_body and (secrets or self.body) else []
        added += [b"Expect"] if len(self.body) > _LONGEST else []
        words += [word for name in added if name.lower() not in named for word in ("-H", f"{name.decode()}:")]
        if has_body:
            try:
                text = self.body.decode()
            except UnicodeDecodeError:
                text = "\0"
            shown = self.body if secrets else mask(text).encode()
            is_given = len(self.body) > _LONGEST or "\0" in text
            words += ["--data-binary", "@-"] if is_given else ["--data-raw", _quote(shown)]
        target = self.head.target
        shown = (target if secrets else mask(target)).encode()
        if not _PLAIN.fullmatch(target):  # given by itself, since it is no path that a URL can have
            return " ".join([*words, "--request-target", _quote(shown), base_url])
        words += ["--globoff"] if _GLOBBED.search(target) else []
        words += ["--path-as-is"] if _DOTS.search(target.partition("?")[0]) else []
        return " ".join([*words, _quote(base_url.encode() + shown)])

    def describe(self) -> str:
        """Method, target and body on one line, without secrets."""
        target = one_line(self.exchange.target)
        if not self.body_size:
            return f"{self.method} {target}"
        kind = one_line(self.mimetype) or "no content type"
        return f"{self.method} {target} ({count(self.body_size, 'byte')} of {kind}{self.loss})"

    @property
    def loss(self) -> str:
        """What to say where not all of the body was kept; empty if it was."""
        if self.body_size == len(self.body):
            return ""
        kept = f"the first {len(self.body):,} are" if self.body else "none is"
        return f", of which {kept} kept: see body_limit"

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Say in a `ValueError` what is in the body instead of JSON."""
        if e is None:
            kind = f"is {quote(self.mimetype)}" if self.mimetype else "is missing"
            raise ValueError(
                f"the Content-Type of {self.describe()} {kind}; wanted 'application/json', "
                "or get_json(force=True) for a body that is read as JSON whatever it is called"
            )
        if not self.body_size:
            raise ValueError(f"the body of {self.describe()} is empty, which is no JSON") from e
        if self.content_problem:
            raise ValueError(f"the body of {self.describe()} cannot be read: {self.content_problem}") from e
        if self.loss:
            raise ValueError(f"the body of {self.describe()} was not kept as a whole") from e
        raise ValueError(f"the body of {self.describe()} is no JSON: {e}: {quote(self.body)}") from e

    def __repr__(self) -> str:
        return f"<RecordedRequest {self.describe()}>"


_make_plain_criteria = functools.lru_cache(maxsize=64)(make_criteria)


def _make_criteria(method: object, path: object, wanted: CriteriaKeywords) -> Criteria:
    """Plain ones are made once, for who looks through many requests."""
    is_plain = not wanted and isinstance(method, str | None) and isinstance(path, str | None)
    return _make_plain_criteria(method, path) if is_plain else make_criteria(method, path, **wanted)


# a word for a POSIX shell, or, with octets that cannot be printed, for bash
_ESCAPES = {octet: f"\\x{octet:02x}" for octet in range(256) if not 0x20 <= octet <= 0x7E}
_ESCAPES |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", ord("\\"): "\\\\", ord("'"): "\\'"}


def _quote(word: bytes) -> str:
    try:
        text = word.decode()
    except UnicodeDecodeError:
        text = "\0"
    return shlex.quote(text) if text.isprintable() else f"$'{word.decode('latin-1').translate(_ESCAPES)}'"
