"""A request as the stub recorded it."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any, NoReturn

from ..core.journal import JournalWindow
from ..core.text import count, one_line, quote
from ..core.tls import TLSFacts
from ..web.records import Exchange
from ..web.wsgi import describe_request
from .criterion import Mismatch
from .curl import write_curl
from .keywords import refuse_unknown
from .matching import CRITERIA, Criteria, CriteriaKeywords, make_criteria, make_criteria_of
from .parsing import decode_path
from .reply import Reply
from .serving import Serving
from .subject import Subject

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .hold import Hold

__all__ = ["RecordedRequest"]


class RecordedRequest(Subject):
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
        newest: If nothing answers it: the number of the newest expectation that was there.
        path_params: What the placeholders of its expectation's path stood for; empty while it has none.
        reply: What it is answered with; None until that is decided.
        exchange: How the answer went.
        failure: Why it is not whole: what the client did in the middle of it; empty if it is.
        tls: What was agreed upon in the handshake; None without TLS.
        is_unmatched: Whether nothing answered it.
        is_taken: Whether `HTTPStub.take_request` has returned it.
        held_by: The `Hold` that keeps its answer back; None at all other times.
        is_paused: Whether its answer is kept back on purpose: by a delay, a fault, or a test that holds it.
        serving: The connection, while an answer is being made; None at all other times.
    """

    max_content_length = None
    max_form_memory_size = None
    max_form_parts = None  # type: ignore[assignment]

    # what most requests have none of is kept by those that have it
    body_size = 0
    expectation: object | None = None
    turn = 0
    newest = 0
    reply: Reply | None = None
    failure = ""
    is_paused = False
    is_unmatched = False
    is_taken = False
    held_by: Hold | None = None
    tls: TLSFacts | None = None
    serving: Serving | None = None

    _is_read = True  # until __init__ says otherwise, so that a half-made object (copy.copy) does not recurse

    def __init__(self, exchange: Exchange, body: bytes, base: dict[str, Any]) -> None:
        """Keep what a criterion is likely to look at; the rest, which costs more, is read when somebody wants it.

        Args:
            exchange: The exchange, while it is served.
            body: The body.
            base: What is the same in every environ of the server.
        """
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
        self.plain_path = decode_path(self.raw_path)

    if not TYPE_CHECKING:  # a type checker would believe that every name is there

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there yet: have werkzeug read the request.

            Two threads may do so at once; what they set is the same.
            """
            if self._is_read:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            super().__init__(self.make_environ(), populate_request=False)
            self.read_head()
            self._is_read = True
            return getattr(self, name)

    def make_environ(self) -> dict[str, Any]:
        """A WSGI environ of the request, with its body to be read from the beginning."""
        exchange = self.exchange
        environ = describe_request(self.head, exchange.address, self._base)
        return {**environ, "wsgi.input": io.BytesIO(self.body), "liveserver.exchange": exchange}

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
        """How the client cut its body, if it sent that in chunks."""
        return tuple((self.exchange.body or self.exchange).chunk_sizes)

    @property
    def trailers(self) -> dict[str, str]:
        """The headers that followed a body in chunks; their names in lower case, of two with one name the last."""
        pairs = (self.exchange.body or self.exchange).trailers
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}

    @property
    def window(self) -> JournalWindow:
        """The test in which it arrived."""
        return self.exchange.window

    # -- comparing, and as text ----------------------------------------------------------------------------------------

    def matches(self, method: object = None, path: object = None, /, **criteria: Unpack[CriteriaKeywords]) -> bool:
        """Whether it has all that is wanted: see `CriteriaKeywords`.

        Raises:
            UsageError: No request can match.
            TypeError: An unknown keyword; the message names the nearest.
        """
        return _make_criteria("matches", method, path, criteria).matches(self)

    def difference(
        self, method: object = None, path: object = None, /, **criteria: Unpack[CriteriaKeywords]
    ) -> list[Mismatch]:
        """How it differs from what is wanted, each as something that reads well; empty if it `matches`."""
        return _make_criteria("difference", method, path, criteria).compare(self)

    def curl(self, *, secrets: bool = False) -> str:
        """The command that sends it again, to the stub's own address, whatever host it names.

        It is given a body that is binary, or longer than 2,000 bytes, on its standard input.

        Args:
            secrets: Whether it sends exactly the same: with passwords, tokens and keys, and with what clients send by
                themselves, such as ``User-Agent``.  Otherwise ``***`` stands for the first, and the second is left out.
        """
        base = self._base
        url = f"{base['wsgi.url_scheme']}://{base['SERVER_NAME']}:{base['SERVER_PORT']}"
        return write_curl(self, url, secrets=secrets)

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
        """Say what is in the body instead of JSON.

        Raises:
            ValueError: Always.
        """
        if e is None:
            kind = f"is {quote(self.mimetype)}" if self.mimetype else "is missing"
            raise ValueError(
                f"the Content-Type of {self.describe()} {kind}; wanted 'application/json', "
                "or get_json(force=True) for a body that is read as JSON whatever it is called"
            )
        if not self.body_size:
            raise ValueError(f"the body of {self.describe()} is empty, which is no JSON") from e
        if self.loss:
            raise ValueError(f"the body of {self.describe()} was not kept as a whole") from e
        raise ValueError(f"the body of {self.describe()} is no JSON: {e}: {quote(self.body)}") from e

    def __repr__(self) -> str:
        return f"<RecordedRequest {self.describe()}>"


def _make_criteria(function: str, method: object, path: object, wanted: CriteriaKeywords) -> Criteria:
    """The criteria that ``function`` was given; plain ones are made once, for who looks through many requests."""
    refuse_unknown(function, wanted, list(CRITERIA), ["method", "path"])
    if wanted or not isinstance(method, str | None) or not isinstance(path, str | None):
        return make_criteria_of(method, path, wanted)
    return _make_plain_criteria(method, path)


@functools.lru_cache(maxsize=64)
def _make_plain_criteria(method: str | None, path: str | None) -> Criteria:
    return make_criteria(method, path)
