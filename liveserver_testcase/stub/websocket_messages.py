"""The messages of a WebSocket: what can be sent, what is wanted of one, and how a report shows them.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..core.text import quote
from ..errors import UsageError
from ..web.capture import WebSocketMessage
from .bodies import make_content
from .body_matchers import can_be
from .matcher import Difference, find_differences, make_mismatch
from .parsing import NO_JSON, parse_json
from .report import shorten
from .values import ABSENT, accepts, check_json, show

__all__ = ["Mismatched", "WantedMessage", "check_close", "check_ping", "list_messages", "make_data"]

__unittest = True

_CODES = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))  # what a close frame can have: RFC 6455, 7.4


# -- what is sent ------------------------------------------------------------------------------------------------------


def make_data(data: object, json: object) -> str | bytes:
    """Make the message that ``send()`` was given; a `UsageError` if it is none, or there are two."""
    if (data is ABSENT) == (json is ABSENT):
        raise UsageError("send() sends one message: wanted a str, bytes, or json=…")
    if json is not ABSENT:
        made = make_content(None, {"json": json}, None)[1]
        return made.decode() if isinstance(made, bytes) else ""
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if not isinstance(data, str):
        hint = f": write json={quote(data)}" if isinstance(data, dict | list) else ""
        raise UsageError(f"send() was given {quote(data)}, of type {type(data).__name__}; wanted str or bytes{hint}")
    try:
        data.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"send() was given {quote(data)}, which is no text: {error.reason}") from error
    return data


def check_ping(data: object) -> bytes:
    """Return the data of a ping; refuse what are none with a `UsageError`."""
    if not isinstance(data, bytes | bytearray) or len(data) > 125:
        raise UsageError(f"ping() was given {quote(data)}; wanted at most 125 bytes")
    return bytes(data)


def check_close(code: object, reason: object) -> None:
    """Refuse what no close frame can have with a `UsageError`."""
    if isinstance(code, bool) or not isinstance(code, int) or code not in _CODES:
        raise UsageError(
            f"code is {quote(code)}; wanted one that a close frame can have: 1000 to 1003, 1007 to 1014 or 3000 to 4999"
        )
    if not isinstance(reason, str) or len(reason.encode(errors="replace")) > 123:
        raise UsageError(f"reason is {quote(reason)}; wanted a str of at most 123 bytes")


# -- what is wanted ----------------------------------------------------------------------------------------------------


class Mismatched(AssertionError):
    """A message is not the one that is wanted: ``what`` says which on a line, ``lines`` how it differs."""

    def __init__(self, what: str, lines: Sequence[str], message: str | bytes) -> None:
        super().__init__("\n".join([what, *lines]))
        self.what = what
        self.lines = lines
        self.message = message


class WantedMessage:
    """What ``receive()`` wants; a `UsageError` if no message can be that, or there are two."""

    weight = 1.0

    def __init__(self, wanted: object = ABSENT, json: object = ABSENT) -> None:
        if json is not ABSENT:
            if wanted is not ABSENT:
                raise UsageError("receive() wants one message: keep either the text, or json=…")
            check_json(json)
            self.name, self._wanted = "json", json
        else:
            self.name = "message"
            self._wanted = bytes(wanted) if isinstance(wanted, bytearray | memoryview) else wanted
            if not can_be(self._wanted, b""):
                hint = f": for a JSON value write json={quote(wanted)}" if isinstance(wanted, dict | list | int) else ""
                raise UsageError(f"receive() wants {quote(wanted)}; wanted a str, bytes, or a compiled pattern{hint}")
        self.is_any = self._wanted is ABSENT

    def _read(self, message: str | bytes) -> object:
        """Return of a message what is compared."""
        if self.name == "message":
            return message
        try:
            return parse_json(message.encode() if isinstance(message, str) else message, lambda: "utf-8")
        except ValueError:
            return NO_JSON

    def accepts(self, message: str | bytes) -> bool:
        """Return True if it is the one that is wanted; a predicate that raises does not accept it."""
        got = self._read(message)
        try:
            return self.is_any or (got is not NO_JSON and accepts(self._wanted, got))
        except Exception:  # of a predicate that was made for other messages: see explain()
            return False

    def explain(self, message: str | bytes) -> list[str]:
        """Return where a message that is not accepted differs."""
        got, wanted = self._read(message), show(self._wanted)
        if got is NO_JSON:
            found = [Difference("$", wanted, f"{quote(message)}, which is no JSON")]
        else:
            found = find_differences(self._wanted, got) or [Difference("$", wanted, quote(message))]
            kind = self._wanted.pattern if isinstance(self._wanted, re.Pattern) else self._wanted
            if isinstance(kind, str | bytes) and isinstance(kind, str) != isinstance(message, str):
                came = "text" if isinstance(message, str) else "binary"
                found[0] = found[0]._replace(hint=f"a {came} message: the other kind is wanted")
        mismatch = make_mismatch(self, found)
        return [f"FAIL {mismatch}", *(f"     {line}" for line in mismatch.details)]

    def __str__(self) -> str:
        if self.is_any:
            return "receive()"
        return f"receive({'json=' if self.name == 'json' else ''}{show(self._wanted)})"


# -- in a report -------------------------------------------------------------------------------------------------------


def list_messages(messages: Sequence[WebSocketMessage]) -> list[str]:
    """List what was exchanged, a line each: the first and the last, if there are many."""
    if not messages:
        return ["  nothing was exchanged on it"]

    def write(each: WebSocketMessage) -> str:
        data = quote(each.data) if each.data or each.kind == "message" else ""
        words = ("" if each.kind == "message" else each.kind, "" if each.code is None else str(each.code), data)
        return f"    {'stub  ' if each.sent else 'client'}  {' '.join(filter(None, words))}"

    return ["  what was exchanged on it:", *shorten(messages, "    ", write)]
