"""A request as the stub recorded it."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, NoReturn

from ..core.journal import Epoch
from ..web.exchange import Exchange
from .reply import Reply
from .subject import Subject, decode_path
from .wording import count, cut, escape, mask, quote

__all__ = ["RecordedRequest"]


class RecordedRequest(Subject):
    """A werkzeug ``Request`` with its body read, and its place on the wire.

    Everything of werkzeug's is there (``args``, ``form``, ``files``, ``cookies``, ``headers``, ``json``,
    ``get_data()``), also after the exchange is over, and from any thread.  Its limits are off: what was sent can be
    looked at, however large it is.

    Attributes:
        method: Such as ``GET``.
        body: The whole body, as bytes.
        raw_path: The path as it was sent, percent-encoding and all, without the query.
        plain_path: The path as criteria see it: decoded, but for ``%2F``.
        path_params: What the placeholders of its expectation's path stood for; empty while it has none.
        reply: What it is answered with; None until that is decided.
        exchange: How the answer went.
        connection_index: The connection it came on, from 0.
        exchange_index: Its number on that connection, from 0: above 0 the connection was used again.
        received_at: When it arrived: seconds since 1970.
    """

    max_content_length = None
    max_form_memory_size = None
    max_form_parts = None  # type: ignore[assignment]

    _is_read = True  # until __init__ says otherwise, so that a half-made object (copy.copy) does not recurse

    def __init__(self, environ: dict[str, Any], body: bytes, exchange: Exchange) -> None:
        """Keep what a criterion is likely to look at; the rest, which costs more, is read when somebody wants it."""
        self._is_read = False
        self._environ = environ
        self.method = exchange.method
        self.body = body
        self.reply: Reply | None = None
        self.exchange = exchange
        self.raw_path = exchange.path or exchange.target  # OPTIONS *
        self.plain_path = decode_path(self.raw_path)
        self.path_params: dict[str, Any] = {}
        self.connection_index = exchange.connection_index
        self.exchange_index = exchange.exchange_index
        self.received_at = exchange.received_at

    if not TYPE_CHECKING:  # a type checker would believe that every name is there

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there yet: have werkzeug read the request.

            Two threads may do so at once; what they set is the same.
            """
            if self._is_read:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            environ = self._environ
            environ["wsgi.input"] = io.BytesIO(self.body)
            super().__init__(environ, populate_request=False)
            self._cached_data = self.body  # as get_data() leaves it: each reader begins at the beginning
            self._is_read = True
            return getattr(self, name)

    @property
    def index(self) -> int:
        """Its number among all that the stub was sent, from 0."""
        return self.exchange.index

    @property
    def epoch(self) -> Epoch:
        """The test in which it arrived."""
        return self.exchange.epoch

    @property
    def duration(self) -> float | None:
        """Seconds from its arrival to the end of its answer; None while it is being answered."""
        return self.exchange.duration

    def describe(self) -> str:
        """Method, target and body on one line, without secrets."""
        target = cut(escape(mask(self.exchange.target)))
        kind = cut(escape(self.mimetype)) if self.body else ""
        content = f" ({count(len(self.body), 'byte')} of {kind or 'no content type'})" if self.body else ""
        return f"{self.method} {target}{content}"

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
        if not self.body:
            raise ValueError(f"the body of {self.describe()} is empty, which is no JSON") from e
        raise ValueError(f"the body of {self.describe()} is no JSON: {e}: {quote(self.body)}") from e

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Keep an uploaded file in memory, where its body is anyway: nobody would close a temporary file."""
        return io.BytesIO()

    def __repr__(self) -> str:
        return f"<RecordedRequest {self.describe()}>"
