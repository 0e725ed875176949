"""What criteria look at: a request, of which it is no matter how it came."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import IO, Any

from werkzeug.datastructures import Authorization, Headers, ImmutableMultiDict
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header
from werkzeug.sansio.utils import get_host
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request

from ..web.request_head import Head, parse_head, split_target
from .parsing import (
    decode_content,
    decode_text,
    find_charset,
    join_lines,
    parse_authorization,
    parse_cookies,
    parse_form,
    parse_json,
    unquote_cookie,
)

__all__ = ["NO_JSON", "Subject"]

NO_JSON = object()
"""Stands for a body that is no JSON."""


class _FormParser(MultiPartParser):
    """Reads each field of a multipart form in its own charset, else in that of the form.

    Source: RFC 7578, 4.6 and 5.1.2.
    """

    charset = "utf-8"

    def get_part_charset(self, headers: Headers) -> str:
        named = parse_options_header(headers.get("Content-Type"))[1].get("charset")
        return find_charset(named or self.charset)


class Subject(Request):
    """A werkzeug ``Request`` with its body read, which takes each octet for what it is.

    Attributes:
        body: The whole body, as bytes.
        raw_path: The path as it was sent, without the query.
        plain_path: The path as criteria see it: decoded, but for ``%2F``.
        path_params: What the placeholders of its expectation's path stood for; empty while it has none.
    """

    body: bytes
    raw_path: str
    plain_path: str
    path_params: Mapping[str, Any] = MappingProxyType({})
    _block: bytes

    @property
    def head(self) -> Head:
        """Its request line and headers."""
        return parse_head(self._block)

    @property
    def header_lines(self) -> list[tuple[bytes, bytes]]:
        """The header lines as they were sent, in order: names, and values without white space around them."""
        return self.head.headers

    # -- what werkzeug would read otherwise ----------------------------------------------------------------------------

    def read_head(self) -> None:
        """Put right what an environ cannot carry: names with ``_``, and octets that are no Latin-1."""
        del self.__dict__["headers"]  # those of an environ; read when they are wanted
        self._cached_data = self.content if self.body else b""

    @cached_property
    def json_module(self) -> Any:
        """What werkzeug reads JSON with."""
        return SimpleNamespace(loads=self._parse_json, dumps=json.dumps)

    @cached_property
    def header_values(self) -> Mapping[str, tuple[str, str]]:
        """Each header by its name in lower case: its name, and its value on however many lines it came."""
        return join_lines(self.header_lines)

    @cached_property
    def headers(self) -> Headers:  # werkzeug sets it
        """The headers; several lines of one are one value, with commas."""
        return Headers(self.header_values.values())

    @cached_property
    def args(self) -> ImmutableMultiDict[str, str]:
        """The parameters of the query."""
        return ImmutableMultiDict(parse_form(self.query_string))

    @cached_property
    def host(self) -> str:
        """The host that it was made to, with its port if that is not the usual one; a target that names one wins."""
        return get_host(self.scheme, split_target(self.head.target)[2] or self.headers.get("Host"), self.server)

    @cached_property
    def raw_cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies as they were sent."""
        return ImmutableMultiDict(parse_cookies(self.headers.get("Cookie", "")))

    @cached_property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies; values without the quotes that servers put around some."""
        return ImmutableMultiDict((name, unquote_cookie(value)) for name, value in self.raw_cookies.items(multi=True))

    @cached_property
    def authorization(self) -> Authorization | None:
        """The credentials; a name and a password may be in UTF-8 or in Latin-1."""
        return parse_authorization(self.headers.get("Authorization"))

    # -- content -------------------------------------------------------------------------------------------------------

    @property
    def content(self) -> bytes:
        """The body without its Content-Encoding, if that is gzip, deflate or br; empty if it cannot be decoded."""
        return self._decode_body()[1]

    @property
    def content_problem(self) -> str:
        """Why the Content-Encoding cannot be taken off; empty if it can, or if there is none."""
        return self._decode_body()[2]

    def _decode_body(self) -> tuple[bytes, bytes, str]:
        """The body as it was sent and decoded, and what went wrong; once, since many expectations may ask."""
        body = self.body
        known: tuple[bytes, bytes, str] | None = self.__dict__.get("_decoded")
        if known is None or known[0] is not body:
            coding = self.head.variables.get("HTTP_CONTENT_ENCODING") if body else None
            known = (body, body, "") if coding is None else (body, *decode_content(body, coding))
            self.__dict__["_decoded"] = known
        return known

    @cached_property
    def charset(self) -> str:
        """The charset of its Content-Type; ``utf-8`` if that names none, or none for text."""
        return find_charset(self.mimetype_params.get("charset"))

    @property
    def text(self) -> str:
        """The content as text in its `charset`; what does not decode is replaced."""
        body = self.body
        known: tuple[bytes, str] | None = self.__dict__.get("_text")
        if known is None or known[0] is not body:
            known = self.__dict__["_text"] = body, decode_text(self.content, self.charset)
        return known[1]

    def read_json(self) -> object:
        """The content as JSON, whatever its Content-Type; `NO_JSON` if it is none.

        It is read once, since many expectations may ask.
        """
        body = self.body
        known = self.__dict__.get("_read_json")
        if known is not None and known[0] is body:
            return known[1]
        try:
            value: object = self._parse_json(self.content)
        except ValueError:
            value = NO_JSON
        self.__dict__["_read_json"] = body, value
        return value

    def _parse_json(self, content: bytes) -> Any:
        return parse_json(content, lambda: self.charset)

    def _load_form_data(self) -> None:
        """Read a form as werkzeug does, but in its charset."""
        super()._load_form_data()
        pairs = self.__dict__
        if self.mimetype == "application/x-www-form-urlencoded":
            pairs["form"] = ImmutableMultiDict(parse_form(self.content, self.charset))
        elif pairs["form"]:
            boundary = self.mimetype_params.get("boundary", "").encode("latin-1")
            parser = _FormParser(self._get_file_stream, cls=ImmutableMultiDict)
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
