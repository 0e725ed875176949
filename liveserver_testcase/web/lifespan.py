"""The life of an ASGI application around its requests: its startup and its shutdown.

Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from ..core.masking import mask
from ..core.text import describe_error
from ..core.tracebacks import fold_stack, task_stack
from ..errors import ServerStartError, ServerThreadError

__all__ = ["ASGIApplication", "Lifespan"]

ASGIApplication = Callable[
    [dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Callable[[dict[str, Any]], Awaitable[None]]],
    Awaitable[None],
]

_VERSIONS = {"version": "3.0", "spec_version": "2.0"}
_MOMENT = 0.25  # seconds for an application to raise what it has just announced


class Lifespan:
    """One life of an application, driven on the loop.

    An application that raises before it asks for a message, or that answers as if to a request, knows no lifespan and
    is served without.

    Args:
        app: The application.
        describe: Says what to call the server in messages.
        mode: ``auto``; ``on`` if an application that knows no lifespan is an error; ``off`` to leave it alone.

    Attributes:
        state: What the startup leaves for the requests: a copy of it is in the scope of each.
    """

    def __init__(self, app: ASGIApplication, describe: Callable[[], str], mode: str = "auto") -> None:
        self.app = app
        self.describe = describe
        self.mode = mode
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: dict[str, str] = {}  # what the application has answered, with its message
        self._answer: asyncio.Future[None] | None = None  # done when it has said something
        self._error: BaseException | None = None  # what it has raised
        self._was_asked = False  # whether it has asked for a message
        self._is_foreign = False  # whether it has answered as if to a request

    # -- startup -----------------------------------------------------------------------------------------------

    async def start(self, timeout: float) -> None:
        """Run the startup.

        Args:
            timeout: Seconds that it may take.

        Raises:
            ServerStartError: It failed, or has not ended; the cause is what the application raised.
        """
        if self.mode == "off":
            return
        self._incoming.put_nowait({"type": "lifespan.startup"})
        task = self._task = asyncio.get_running_loop().create_task(self._live(), name="lifespan")
        await self._wait(timeout)
        if "lifespan.startup.complete" in self._said:
            return
        if "lifespan.startup.failed" in self._said:
            await asyncio.wait([task], timeout=_MOMENT)  # it may raise why, as Starlette does
            self._task = None
            if self._error is not None:
                raise self._fail(f"the application's startup raised {describe_error(self._error)}") from self._error
            message = self._said["lifespan.startup.failed"] or "it does not say why"
            raise self._fail(f"the application's startup failed: {message}")
        if not task.done():
            stack = task_stack(task)
            await self._cancel()
            raise self._fail(
                f"the application's startup has not ended after {timeout:g} s.\nIt was at\n{fold_stack(stack).rstrip()}"
            )
        self._task = None
        error = self._error
        if error is not None and self._was_asked and not self._is_foreign:
            raise self._fail(
                f"the application's startup raised {describe_error(error)} "
                "(if it knows no lifespan, set the option lifespan to 'off')"
            ) from error
        if self.mode == "on":
            raise self._fail("the application knows no lifespan, and the option lifespan is 'on'") from error

    async def _live(self) -> None:
        """The call of the application that lasts as long as it."""
        try:
            await self.app({"type": "lifespan", "asgi": _VERSIONS, "state": self.state}, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # SystemExit, too, which would end the loop
            self._error = error

    async def _receive(self) -> dict[str, Any]:
        self._was_asked = True
        return await self._incoming.get()

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message.get("type", "")
        stage = "startup" if "lifespan.startup.complete" not in self._said else "shutdown"
        self._is_foreign = self._is_foreign or not kind.startswith("lifespan.")
        if kind not in (f"lifespan.{stage}.complete", f"lifespan.{stage}.failed"):
            raise RuntimeError(f"the application sent {kind!r}; wanted lifespan.{stage}.complete or .failed")
        self._said[kind] = mask(str(message.get("message", "")))
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    async def _wait(self, timeout: float) -> None:
        """Wait for an answer, or for the end of the task."""
        self._answer = asyncio.get_running_loop().create_future()
        waited: list[asyncio.Future[None]] = [self._answer, *([self._task] if self._task is not None else [])]
        await asyncio.wait(waited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        self._answer.cancel()

    def _fail(self, why: str) -> ServerStartError:
        return ServerStartError(f"{self.describe()} could not start: {why}")

    # -- shutdown ----------------------------------------------------------------------------------------------

    async def stop(self, timeout: float) -> None:
        """Run the shutdown.

        Args:
            timeout: Seconds that it may take.

        Raises:
            ServerThreadError: It failed, or has not ended; the cause is what the application raised.
        """
        task = self._task
        if task is None:
            return
        if "lifespan.startup.complete" not in self._said:  # a start that was given up
            await self._cancel()
            return
        was_over = task.done()
        if not was_over:
            self._incoming.put_nowait({"type": "lifespan.shutdown"})
            await self._wait(timeout)
            if not task.done() and self._said.keys() & {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
                await asyncio.wait([task], timeout=_MOMENT)
            elif not task.done():
                stack = task_stack(task)
                await self._cancel()
                raise self.shutdown_error(timeout, stack)
        self._task = None
        error = self._error
        if error is not None:
            when = "while it was served" if was_over else "when it shut down"
            raise ServerThreadError(
                f"the application of {self.describe()} raised {type(error).__name__} {when}: {mask(str(error))}"
            ) from error
        if "lifespan.shutdown.failed" in self._said:
            message = self._said["lifespan.shutdown.failed"] or "it does not say why"
            raise ServerThreadError(f"the application of {self.describe()} failed to shut down: {message}")

    def shutdown_error(self, timeout: float, stack: str) -> ServerThreadError:
        """Make the error for a shutdown that has not ended, with where it was."""
        return ServerThreadError(
            f"the shutdown of the application of {self.describe()} has not ended after {timeout:g} s.\n"
            f"It was at\n{fold_stack(stack).rstrip()}"
        )

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(Exception):
                await asyncio.wait([task], timeout=_MOMENT)
