"""An asyncio loop for the handlers and streams of a stub, in a thread that starts when it is first needed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.interrupts import ServerThread, start_thread

if TYPE_CHECKING:
    import asyncio
    import concurrent.futures

__all__ = ["HandlerLoop"]

T = TypeVar("T")

_JOIN = 0.25  # seconds that the thread gets to end once its tasks are cancelled


class HandlerLoop:
    """Runs coroutines for threads that wait for them.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()  # guards the two below
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begin ``work``; cancelling what is returned cancels it."""
        import asyncio  # 20 ms, which a stub without coroutines need not wait

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = ServerThread(target=_run, args=(self._loop,), name=self._name, daemon=True)
                start_thread(self._thread)
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def finish(self, work: Coroutine[Any, Any, object]) -> None:
        """Have ``work`` done, and wait for it for a moment; nothing comes of what it raises."""
        with contextlib.suppress(Exception):
            self.submit(work).result(_JOIN)

    def stop(self) -> None:
        """Cancel what runs, and end the thread; one that a handler blocks is left to itself."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_JOIN)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """The life of the thread."""
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
