"""A request as the stub recorded it."""

from __future__ import annotations

import io
from typing import Any

from werkzeug.wrappers import Request

from ..core.journal import Epoch
from ..web.exchange import Exchange

__all__ = ["RecordedRequest"]


class RecordedRequest(Request):
    """A werkzeug ``Request`` with its body read, and its place on the wire.

    Everything of werkzeug's is there (``args``, ``form``, ``files``, ``cookies``, ``headers``, ``json``, ``get_data()``),
    in the test's thread and after the exchange is over.

    Attributes:
        body: The whole body, as bytes.
        raw_path: The path as it was sent, percent-encoding and all, without the query.
        index: Its number among all that the stub was sent, from 0.
        connection_index: The connection it came on, from 0.
        exchange_index: Its number on that connection, from 0: above 0 the connection was used again.
        received_at: When it arrived: seconds since 1970.
    """

    def __init__(self, environ: dict[str, Any], body: bytes, exchange: Exchange) -> None:
        environ["wsgi.input"] = io.BytesIO(body)
        super().__init__(environ)
        self.body = body
        self.exchange = exchange
        self.raw_path = exchange.path
        self.connection_index = exchange.connection_index
        self.exchange_index = exchange.exchange_index
        self.received_at = exchange.received_at

    @property
    def index(self) -> int:
        return self.exchange.index

    @property
    def epoch(self) -> Epoch:
        """The test in which it arrived."""
        return self.exchange.epoch

    @property
    def text(self) -> str:
        """The body as text, in the charset of its Content-Type (UTF-8 without one); what does not decode is replaced."""
        charset = self.mimetype_params.get("charset", "utf-8")
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    @property
    def duration(self) -> float | None:
        """Seconds from its arrival to the end of its answer; None while it is being answered."""
        return self.exchange.duration

    def __repr__(self) -> str:
        return f"<RecordedRequest #{self.index} {self.method} {self.exchange.target}>"
