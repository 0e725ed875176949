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
        self._task: asyncio.Task[None] | None = None  # None also as soon as nothing is to be shut down
        self._stage = "startup"  # then "shutdown", when the startup is complete
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[tuple[str, str]]] = {}  # by the stage: a message's type and text
        self._error: BaseException | None = None  # what the application has raised
        self._was_asked = False  # whether it has asked for a message
        self._is_foreign = False  # whether it has answered as if to a request

    async def start(self, timeout: float) -> None:
        """Run the startup.

        Raises:
            ServerStartError: It failed, or has not ended; the cause is what the application raised.
        """
        if self.mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._answers = {stage: loop.create_future() for stage in ("startup", "shutdown")}
        task = self._task = loop.create_task(self._live(), name="lifespan")
        said, message = await self._ask("startup", task, timeout)
        if said == "lifespan.startup.complete":
            return
        cause = self._error
        if said:
            why = f"raised {describe_error(cause)}" if cause is not None else f"failed: {message}"
        elif not task.done():
            stack = task_stack(task)
            await self._cancel()
            why = f"has not ended after {timeout:g} s.\nIt was at\n{fold_stack(stack).rstrip()}"
        elif cause is not None and self._was_asked and not self._is_foreign:
            why = f"raised {describe_error(cause)} (if it knows no lifespan, set the option lifespan to 'off')"
        else:
            why = ""
        self._task = None
        if why:
            raise ServerStartError(f"{self.describe()} could not start: the application's startup {why}") from cause
        if self.mode == "on":
            why = "the application knows no lifespan, and the option lifespan is 'on'"
            raise ServerStartError(f"{self.describe()} could not start: {why}") from cause

    async def stop(self, timeout: float) -> None:
        """Run the shutdown.

        Raises:
            ServerThreadError: It failed, or has not ended; the cause is what the application raised.
        """
        task = self._task
        if task is None:
            return
        if self._stage == "startup":  # a start that was given up
            await self._cancel()
            return
        when = "while it was served" if task.done() else "when it shut down"
        said, message = await self._ask("shutdown", task, timeout)
        if not said and not task.done():
            stack = task_stack(task)
            await self._cancel()
            raise self.shutdown_error(timeout, stack)
        self._task = None
        error = self._error
        if error is not None:
            raise ServerThreadError(
                f"the application of {self.describe()} raised {type(error).__name__} {when}: {mask(str(error))}"
            ) from error
        if said == "lifespan.shutdown.failed":
            raise ServerThreadError(f"the application of {self.describe()} failed to shut down: {message}")

    def shutdown_error(self, timeout: float, stack: str) -> ServerThreadError:
        """Make the error for a shutdown that has not ended, with where it was."""
        return ServerThreadError(
            f"the shutdown of the application of {self.describe()} has not ended after {timeout:g} s.\n"
            f"It was at\n{fold_stack(stack).rstrip()}"
        )

    async def _ask(self, stage: str, task: asyncio.Task[None], timeout: float) -> tuple[str, str]:
        """Send the message of a stage and return the answer; two empty strings if there is none."""
        answer = self._answers[stage]
        self._incoming.put_nowait({"type": f"lifespan.{stage}"})
        waited: list[asyncio.Future[Any]] = [answer, task]
        await asyncio.wait(waited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        kind, message = answer.result() if answer.done() else ("", "")
        if kind and kind != "lifespan.startup.complete":  # its last word; then it may raise why, as Starlette does
            await asyncio.wait([task], timeout=_MOMENT)
        return kind, message

    async def _cancel(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(Exception):
                await asyncio.wait([task], timeout=_MOMENT)

    # -- the application's side --------------------------------------------------------------------------------

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
        self._is_foreign = self._is_foreign or not kind.startswith("lifespan.")
        if kind not in (f"lifespan.{self._stage}.complete", f"lifespan.{self._stage}.failed"):
            raise RuntimeError(f"the application sent {kind!r}; wanted lifespan.{self._stage}.complete or .failed")
        answer = self._answers[self._stage]
        if not answer.done():
            answer.set_result((kind, mask(str(message.get("message", ""))) or "it does not say why"))
        if kind == "lifespan.startup.complete":
            self._stage = "shutdown"
