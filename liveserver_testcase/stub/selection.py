"""What a client gets of a known body when it asks for a part of it, or only if it has changed.  Pure.

Source: RFC 9110, 13 (conditional requests) and 14 (ranges).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from werkzeug.datastructures import Range
from werkzeug.http import parse_date, parse_etags, parse_range_header, unquote_etag

from .reply import Reply

__all__ = ["select"]

_CONDITIONS = frozenset((
    "HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_RANGE",
))  # fmt: skip


def select(reply: Reply, method: str, variables: Mapping[str, Any]) -> Reply:
    """Return what the request gets of ``reply``: all of it, a part, or that it has, or has not, changed.

    Args:
        reply: It must have a `Reply.selects`.
        method: Of the request: only GET and HEAD select.
        variables: Its headers, as CGI calls them.
    """
    if method not in ("GET", "HEAD") or _CONDITIONS.isdisjoint(variables):
        return reply
    etag, modified = reply.find_header("ETag"), parse_date(reply.find_header("Last-Modified"))
    status = _evaluate(etag, modified, variables)
    if status:
        left = tuple(pair for pair in reply.headers if not pair[0].lower().startswith("content-"))
        return reply.changed(status=status, reason=None, body=b"", headers=left, selects=False)
    wanted = parse_range_header(variables.get("HTTP_RANGE"))
    accepts = reply.find_header("Accept-Ranges") != "none"
    if method == "GET" and accepts and wanted is not None and _is_current(etag, modified, variables):
        return _cut(reply, wanted)
    return reply


def _evaluate(etag: str | None, modified: datetime | None, variables: Mapping[str, Any]) -> int:
    """Return 412 or 304, or 0 where the conditions let the request go on.  Source: RFC 9110, 13.2.2."""
    tag, is_weak = unquote_etag(etag)
    if "HTTP_IF_MATCH" in variables:
        known = parse_etags(variables["HTTP_IF_MATCH"])
        if not (known.star_tag or (tag is not None and not is_weak and known.is_strong(tag))):
            return 412
    elif modified is not None:
        unchanged_since = parse_date(variables.get("HTTP_IF_UNMODIFIED_SINCE"))
        if unchanged_since is not None and modified > unchanged_since:
            return 412
    if "HTTP_IF_NONE_MATCH" in variables:
        known = parse_etags(variables["HTTP_IF_NONE_MATCH"])
        return 304 if known.star_tag or (tag is not None and known.contains_weak(tag)) else 0
    changed_since = parse_date(variables.get("HTTP_IF_MODIFIED_SINCE"))
    return 304 if modified is not None and changed_since is not None and modified <= changed_since else 0


def _is_current(etag: str | None, modified: datetime | None, variables: Mapping[str, Any]) -> bool:
    """Return True if the parts that the client has are of this body.  Source: RFC 9110, 13.1.5."""
    condition = variables.get("HTTP_IF_RANGE")
    if condition is None:
        return True
    if '"' in condition:
        return etag is not None and not etag.startswith("W/") and condition == etag
    return modified is not None and parse_date(condition) == modified


def _cut(reply: Reply, wanted: Range) -> Reply:
    """Return one part; a request for several gets all, as a server may answer it.  Source: RFC 9110, 14.2."""
    size = len(reply.body)
    if wanted.units != "bytes" or len(wanted.ranges) != 1:
        return reply
    start, stop = wanted.ranges[0]  # of the last bytes the start is negative, and may be beyond the beginning
    start = max(0, size + start) if start < 0 else start
    stop = size if stop is None else min(stop, size)
    left = tuple(pair for pair in reply.headers if pair[0].lower() != "content-length")
    if start >= stop:
        left = tuple(pair for pair in left if not pair[0].lower().startswith("content-"))
        headers = (*left, ("Content-Range", f"bytes */{size}"))
        return reply.changed(status=416, reason=None, body=b"", headers=headers, selects=False)
    headers = (*left, ("Content-Range", f"bytes {start}-{stop - 1}/{size}"))
    return reply.changed(status=206, reason=None, body=reply.body[start:stop], headers=headers, selects=False)
