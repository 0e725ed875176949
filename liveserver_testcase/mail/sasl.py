"""Logging in: SASL mechanisms as exchanges of challenges and responses, without a socket; pure.

Source: RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 7628 (OAUTHBEARER); Google and Microsoft
describe XOAUTH2, and LOGIN was never written down.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Generator, Mapping
from typing import TypeAlias

from .syntax import Refused

__all__ = ["MECHANISMS", "SASLExchange", "decode_response", "encode_challenge"]

SASLExchange: TypeAlias = Generator[bytes, bytes, str | None]
"""Yields challenges, is sent responses, and returns the name of who has logged in; None for bad credentials."""

_BEARER = b"auth=Bearer "


def _plain(users: Mapping[str, str], _hostname: str) -> SASLExchange:
    """PLAIN: who to act as, who it is and the password, in one response."""
    parts = (yield b"").split(b"\0")
    if len(parts) != 3:
        raise Refused(501, "5.5.2 PLAIN wants three parts with NUL between them")
    return _check(users, parts[1], parts[2])


def _login(users: Mapping[str, str], _hostname: str) -> SASLExchange:
    """LOGIN: the name, then the password."""
    name = yield b"Username:"
    password = yield b"Password:"
    return _check(users, name, password)


def _cram_md5(users: Mapping[str, str], hostname: str) -> SASLExchange:
    """CRAM-MD5: the password never travels."""
    challenge = f"<{secrets.token_hex(8)}@{hostname}>".encode()
    name, _, digest = (yield challenge).rpartition(b" ")
    user = name.decode("utf-8", "replace")
    password = users.get(user)
    if password is None:
        return None
    wanted = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return user if hmac.compare_digest(wanted.encode(), digest.lower()) else None


def _xoauth2(users: Mapping[str, str], _hostname: str) -> SASLExchange:
    """XOAUTH2: the name and a token in one response; a refusal is told as JSON, which the client acknowledges."""
    fields = (yield b"").split(b"\1")
    name = next((field[5:] for field in fields if field.startswith(b"user=")), None)
    if name is None or len(fields) < 3:
        raise Refused(501, "5.5.2 XOAUTH2 wants user=NAME and auth=Bearer TOKEN, each with a Control-A behind it")
    user = _check(users, name, _find_token(fields))
    if user is None:
        yield b'{"status":"400","schemes":"Bearer","scope":"https://mail.example.com/"}'
    return user


def _oauthbearer(users: Mapping[str, str], _hostname: str) -> SASLExchange:
    """OAUTHBEARER: the same with a header of GS2, in which the name stands.  Source: RFC 7628, 3.1 and 3.2.3."""
    header, *fields = (yield b"").split(b"\1")
    name = next((part[2:] for part in header.split(b",") if part.startswith(b"a=")), None)
    if name is None or not fields:
        raise Refused(501, "5.5.2 OAUTHBEARER wants n,a=NAME, and auth=Bearer TOKEN, each with a Control-A behind it")
    name = name.replace(b"=2C", b",").replace(b"=3D", b"=")
    user = _check(users, name, _find_token(fields))
    if user is None:
        yield b'{"status":"invalid_token"}'
    return user


MECHANISMS: Mapping[str, Callable[[Mapping[str, str], str], SASLExchange]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}
"""How each mechanism goes: called with the users and the server's name.  A token is looked up as a password is."""


def _find_token(fields: list[bytes]) -> bytes:
    return next((field[len(_BEARER) :] for field in fields if field.lower().startswith(_BEARER.lower())), b"")


def _check(users: Mapping[str, str], name: bytes, password: bytes) -> str | None:
    user = name.decode("utf-8", "replace")
    known = users.get(user)
    return user if known is not None and hmac.compare_digest(known.encode(), password) else None


def encode_challenge(challenge: bytes) -> str:
    """A challenge as it goes over the wire."""
    return base64.b64encode(challenge).decode()


def decode_response(line: str) -> bytes:
    """A response as the client meant it.

    Raises:
        Refused: The client gives up, or it is no base64.
    """
    if line == "*":
        raise Refused(501, "5.7.0 The client has given up")
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(501, "5.5.2 The response is not in base64") from None
