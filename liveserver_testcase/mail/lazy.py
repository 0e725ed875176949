"""A mail as Python's ``email`` package sees it, parsed when it is first looked at."""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import EmailPolicy
from typing import Any, cast

from .decoding import decode_header

__all__ = ["LazyMessage"]


class _Forgiving(EmailPolicy):
    """`email.policy.default`, except that a header which it cannot parse, or not without loss, is given as text."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        text = decode_header(value.replace("\r", "").replace("\n", ""), name, lambda _: None)
        if not value.isascii():
            return text
        try:
            header = super().header_fetch_parse(name, value)
            return header if str(header) == text or ("=?" not in value and not header.defects) else text
        except Exception:  # IndexError, KeyError, AttributeError ... not the same in each version of Python
            return text


_PARSED = frozenset(vars(EmailMessage())) - {"defects"}  # what Python's parser fills in, in this version of Python


class LazyMessage(EmailMessage):
    """An `email.message.EmailMessage` of some bytes, under a forgiving `email.policy.default`.

    Args:
        raw: The bytes of the mail.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw  # nothing else: the base is filled in by __getattr__

    def __getattr__(self, name: str) -> Any:
        """Parse the mail when the first attribute is looked at that a parsed one has."""
        if name not in _PARSED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        parsed = vars(_parse(self.raw))
        self.__dict__.update({key: value for key, value in parsed.items() if key in _PARSED})
        return self.__dict__[name]

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return self.raw.decode("utf-8", "replace").replace("\r\n", "\n")


def _parse(raw: bytes) -> EmailMessage:
    """A mail as Python's parser sees it; one that it cannot parse is bytes without a header."""
    policy = _Forgiving()
    try:
        return cast("EmailMessage", BytesParser(policy=policy).parsebytes(raw))
    except Exception:  # parts nested beyond Python's recursion limit, for one
        message = EmailMessage(policy=policy)
        message.set_payload(raw.decode("ascii", "surrogateescape"))
        return message
