"""``LIVESERVER_HOLD=1``: stop at the first test that fails, and keep serving until somebody presses Enter."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

__all__ = ["VARIABLE", "hold"]

VARIABLE = "LIVESERVER_HOLD"

_was_held = False


def hold(test_id: str, url: str) -> None:
    """Say where the server is and wait for Enter; only for the first failure of a run, and only if asked to."""
    global _was_held
    if _was_held or os.environ.get(VARIABLE, "").strip().lower() in ("", "0", "false", "no", "off"):
        return
    _was_held = True
    with _terminal() as (reader, writer):
        if reader is None or writer is None:
            return
        writer.write(f"\n{test_id} has failed, and its server is held at\n\n    {url}\n\nPress Enter to go on. ")
        writer.flush()
        with contextlib.suppress(OSError, ValueError):  # nobody can press anything
            reader.readline()


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[TextIO | None, TextIO | None]]:
    """The terminal itself, since runners capture what stands for it; else what the process began with."""
    try:
        with open("/dev/tty", encoding="utf-8") as reader, open("/dev/tty", "w", encoding="utf-8") as writer:
            yield reader, writer
    except OSError:
        yield sys.__stdin__, sys.__stderr__
