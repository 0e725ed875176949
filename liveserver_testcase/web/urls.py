"""Build URLs of a server's paths."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["build_url"]


_SAFE = "!#$%&'()*+,/:;=?@[]~"  # what has a meaning in a URL, or stands for itself.  Source: RFC 3986, 2.2 and 2.3
_WHOLE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def build_url(base: str, path: str = "", query: dict[str, Any] | None = None) -> str:
    """The URL of ``path`` on the server at ``base``.

    Args:
        base: Without a slash at its end.
        path: With or without a slash at its beginning; may have a query of its own.  What no URL can have, such as a
            space, is percent-encoded; what is encoded already stays.  A whole URL is returned as it is.
        query: Parameters; a list or tuple gives one for each of its items, None leaves the parameter out.
    """
    url = path if _WHOLE.match(path) else f"{base}/{quote(path.removeprefix('/'), safe=_SAFE)}"
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, str(item)) for item in values if item is not None]
    if pairs:
        url, hash_, fragment = url.partition("#")
        url += ("&" if "?" in url else "?") + urlencode(pairs) + hash_ + fragment
    return url
