"""A request as a line for the shell."""

from __future__ import annotations

import shlex

from ..core.masking import mask, mask_header
from ..core.text import count, escape
from .subject import Subject

__all__ = ["write_curl"]

# what curl says by itself, or what says nothing
_NOISE = ("accept-encoding", "connection", "content-length", "expect", "transfer-encoding", "user-agent")
_LONGEST = 2000  # characters of a body that still stands in a line


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
            shown = value if secrets else mask_header(name, value)
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
    return ["--data-raw", _quote(text if secrets else mask(text))]


def _quote(text: str) -> str:
    """A word for a POSIX shell, or, with characters that cannot be printed, for bash."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + escape(text.replace("\\", "\\\\")).replace("'", "\\'") + "'"
