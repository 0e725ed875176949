"""Where in the test something was written."""

from __future__ import annotations

import os
import sys

__all__ = ["find_caller"]

_PACKAGE = __name__.partition(".")[0]


def find_caller() -> str:
    """``file:line`` of the nearest frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    name = frame.f_code.co_filename
    try:
        near = os.path.relpath(name)
    except (OSError, ValueError):  # the working directory is gone, or on another drive
        near = name
    return f"{name if near.startswith(os.pardir) else near}:{frame.f_lineno}"
