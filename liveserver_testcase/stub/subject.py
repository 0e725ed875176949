"""What criteria look at: a request, of which it is no matter how it came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request

__all__ = ["NO_JSON", "Subject", "decode_path"]

NO_JSON = object()
"""Stands for a body that is no JSON."""


def decode_path(raw: str) -> str:
    """A path with its percent-encoding undone, but for ``%2F``: an encoded slash does not separate.

    Source: RFC 3986, 2.2.
    """
    if "%" not in raw:
        return raw
    return unquote(raw.replace("%2f", "%252F").replace("%2F", "%252F"))


class Subject(Request):
    """A werkzeug ``Request`` with its body read.

    Attributes:
        body: The whole body, as bytes.
        plain_path: The path as criteria see it: decoded, but for ``%2F``.
        path_params: What the placeholders of its expectation's path stood for; empty while it has none.
    """

    body: bytes
    plain_path: str
    path_params: Mapping[str, Any] = MappingProxyType({})

    @property
    def text(self) -> str:
        """The body as text, in the charset of its Content-Type, else UTF-8; what does not decode is replaced."""
        try:
            return self.body.decode(self.mimetype_params.get("charset", "utf-8"), "replace")
        except (LookupError, ValueError):  # no such charset, or none for text
            return self.body.decode("utf-8", "replace")

    def read_json(self) -> object:
        """The body as JSON, whatever its Content-Type; `NO_JSON` if it is none.

        It is read once, since many expectations may ask.
        """
        body = self.body
        known = self.__dict__.get("_read_json")
        if known is not None and known[0] is body:
            return known[1]
        try:
            value: object = json.loads(body)
        except (ValueError, RecursionError):
            value = NO_JSON
        self.__dict__["_read_json"] = body, value
        return value
