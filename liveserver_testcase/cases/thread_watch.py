"""Name the threads that an application has started and that go on when its server has stopped."""

from __future__ import annotations

import threading
import warnings

from ..core.lasting_threads import find_lasting_threads
from ..core.tracebacks import callers_level, fold_stack, stack_of_thread
from ..errors import UnfinishedWorkWarning
from ..web.live import LiveServer

__all__ = ["ThreadWatch"]

__unittest = True
__tracebackhide__ = True

_LAST_MOMENT = 0.05  # seconds for a thread that is just ending


class ThreadWatch:
    """The threads there are before an application is made: those that come later may be its own."""

    def __init__(self) -> None:
        self._known = [*threading.enumerate(), threading.current_thread()]

    def warn(self, server: LiveServer) -> None:
        """Warn of each thread that has come since and still runs, if the end of the process would wait for it.

        Args:
            server: The server of the application, which has stopped.

        Warns:
            UnfinishedWorkWarning: There is such a thread.
        """
        threads = find_lasting_threads(self._known, _LAST_MOMENT)
        if threads:
            named = [f"{thread.name!r}, at\n{fold_stack(stack_of_thread(thread.ident)).rstrip()}" for thread in threads]
            what = "a thread goes on" if len(threads) == 1 else f"{len(threads)} threads go on"
            warnings.warn(
                f"{server!r} has stopped, and {what} that came with its application: this process cannot end before. "
                "End it in tearDownClass(), or make it a daemon: " + "\n".join(named),
                UnfinishedWorkWarning,
                stacklevel=callers_level(),
            )
