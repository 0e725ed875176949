"""A request as a line for the shell."""

from __future__ import annotations

import json
import re
import shlex

from .contents import mask_json
from .subject import Subject
from .wording import count, escape, is_secret, mask

__all__ = ["is_secret_header", "write_curl"]

# what curl says by itself, or what says nothing
_NOISE = ("accept-encoding", "connection", "content-length", "expect", "transfer-encoding", "user-agent")
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "set-cookie")
_LONGEST = 2000  # characters of a body that still stands in a line


def is_secret_header(name: str) -> bool:
    """Whether a header's value must not be read in a log."""
    return name.lower() in _SECRET_HEADERS or is_secret(name)


def write_curl(request: Subject, url: str, *, secrets: bool = False) -> str:
    """The command that sends ``request`` again.

    Args:
        request: The request.
        url: Where it was sent, with its query.
        secrets: Whether passwords, tokens and keys are in it; otherwise ``***`` stands for them.
    """
    parts = ["curl"]
    if request.method == "HEAD":
        parts.append("-I")
    elif request.method != ("POST" if request.body else "GET"):
        parts += ["-X", _quote(request.method)]
    for name, value in request.headers.items():
        is_plain = name.lower() in _NOISE or (name.lower(), value) == ("accept", "*/*") or name.lower() == "host"
        if not is_plain:
            shown = value if secrets or not is_secret_header(name) else "***"
            parts += ["-H", _quote(f"{name}: {shown}")]
    if request.body:
        parts += _write_body(request, secrets=secrets)
    parts.append(_quote(url if secrets else mask(url)))
    return " ".join(parts)


def _write_body(request: Subject, *, secrets: bool) -> list[str]:
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > _LONGEST or "\0" in text:
        return ["--data-binary", f"@body-of-{count(len(request.body), 'byte').replace(' ', '-').replace(',', '')}"]
    return ["--data-raw", _quote(text if secrets else mask_body(text))]


def mask_body(text: str) -> str:
    """A body without the secrets of a form or of JSON."""
    if re.fullmatch(r"[^\s{\"]*=[^\s{\"]*", text):
        return mask(f"?{text}")[1:]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    masked = mask_json(value)
    return text if masked == value else json.dumps(masked)


def _quote(text: str) -> str:
    """A word for a POSIX shell, or, with characters that cannot be printed, for bash."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + escape(text.replace("\\", "\\\\")).replace("'", "\\'") + "'"
