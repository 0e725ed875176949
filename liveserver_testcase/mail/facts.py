"""What is known of a mail besides its bytes: envelope and session, and its header fields by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Envelope", "Headers", "MessageDetails", "SessionFacts"]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What the sender told the server about a mail, which need not be what the mail's header says.

    Attributes:
        mail_from: The address in ``MAIL FROM``; empty for the null sender ``<>`` of bounces.
        recipients: The addresses in the ``RCPT TO`` commands that were accepted, in their order.
        mail_options: Parameters of ``MAIL FROM``, as in ``BODY=8BITMIME``.
        rcpt_options: Parameters of the ``RCPT TO`` commands.
        refused: The addresses that were refused in its ``RCPT TO`` commands, and not accepted later.
    """

    mail_from: str
    recipients: tuple[str, ...]
    mail_options: tuple[str, ...] = ()
    rcpt_options: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What the server knew of the connection when it accepted a mail; the connection may have gone on since.

    Attributes:
        peer: The client's host and port.
        ehlo: The name that the client gave in EHLO or HELO; empty if it gave none.
        tls: The version of TLS, as in ``TLSv1.3``; None on a plain connection.
        auth_user: Who had logged in; None for nobody.
    """

    peer: tuple[str, int]
    ehlo: str = ""
    tls: str | None = None
    auth_user: str | None = None


@dataclass(frozen=True, kw_only=True)
class MessageDetails:
    """Envelope and peer under the names of pytest-localserver, for tests that come from there."""

    peer: tuple[str, int] | None
    mailfrom: str
    rcpttos: list[str]
    mail_options: list[str]
    rcpt_options: list[str]


class Headers(Mapping[str, str]):
    """Header fields by name, in any case of letters, decoded.

    A field may be there several times: ``headers[name]`` is the first, `get_all` has all.  Iterating and
    ``len`` count each name once.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = tuple(fields)

    def __getitem__(self, name: str) -> str:
        for value in self.get_all(name):
            return value
        near = difflib.get_close_matches(name.lower(), [known.lower() for known in self], n=1)
        hint = f"; there is {next(known for known in self if known.lower() == near[0])!r}" if near else ""
        raise KeyError(f"no header {name!r}{hint}")

    def get_all(self, name: str) -> list[str]:
        """Every value of the field `name`, in the mail's order; an empty list if there is none."""
        if not isinstance(name, str):
            raise TypeError(f"a header's name is a str, not {type(name).__name__}")
        return [value for known, value in self._fields if known.lower() == name.lower()]

    def fields(self) -> list[tuple[str, str]]:
        """Every field as name and value, in the mail's order, repeated ones too."""
        return list(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in reversed(self._fields)}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"
