"""The script, carried out on a connection: replies in the place of the server's, waits, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, NoReturn

from ..core.interrupts import ServerThread, start_thread
from ..core.loop_connection import LoopConnection
from ..core.tracebacks import Unfinished, stack_of_thread
from .faults import Cut, Delay, Drop, Hang, RawReply, Refusal, SMTPFault, Throttle
from .session import SMTPAttempt
from .syntax import Reply

if TYPE_CHECKING:
    from .message import ReceivedEmail
    from .protocol import SMTPProtocol

__all__ = ["FaultInjector", "FaultReply", "SMTPConnection"]

_THROTTLED = 0.1  # seconds' worth of a throttled client's bytes that are taken at once


class SMTPConnection(LoopConnection):
    """The connection as a stop sees it; ``function_thread`` runs a function of the test's, if there is one."""

    def __init__(self, transport: asyncio.BaseTransport, index: int) -> None:
        super().__init__(transport, index)
        self.function_thread: threading.Thread | None = None

    def describe(self, thread: str, stack: str = "") -> Unfinished:
        """See `LoopConnection.describe`; where a function of the test's runs, that is what it is at."""
        working = self.function_thread
        return super().describe(thread, stack_of_thread(working.ident) if working is not None else stack)


class FaultReply(Exception):
    """The script replies in place of the server."""

    def __init__(self, reply: Reply | RawReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class FaultInjector:
    """Carries out the faults of the script on one connection.

    Attributes:
        fault: The fault that keeps the client waiting for ever; None while there is none.
    """

    def __init__(self, protocol: SMTPProtocol) -> None:
        self._protocol = protocol
        self._script = protocol.server.script
        self._dropper: tuple[SMTPAttempt, SMTPFault] | None = None  # ends the connection when this has been replied to
        self.fault: SMTPFault | None = None

    async def apply(self, attempt: SMTPAttempt, mail: ReceivedEmail | None = None) -> None:
        """Do what the script says about a command that the server would grant; raise FaultReply to reply instead."""
        protocol = self._protocol
        for fault in self._script.at(attempt.command):
            if not await self._applies(fault, mail if mail is not None else attempt) or not fault.use(attempt):
                continue
            effect, attempt.fault = fault.effect, fault
            if isinstance(effect, Delay):
                await protocol.hold(effect.seconds)
                continue
            if isinstance(effect, Refusal | RawReply):
                raise FaultReply(effect.reply if isinstance(effect, Refusal) else effect)
            if isinstance(effect, Hang):
                attempt.reply = "the script never answers"
                self.fault = fault
                protocol.server.journal.notify()
                if fault.is_active:  # else the connections may have been looked at before
                    await protocol.hold(None)
                protocol.abort("the client has been kept waiting in vain")
            if isinstance(effect, Drop):
                if mail is not None and effect.record:
                    protocol.server.journal.add(mail, attempt.window)
                if not effect.after_reply:
                    self.drop(attempt, fault)
                self._dropper = attempt, fault
            return

    async def find_cut(self, attempt: SMTPAttempt) -> tuple[SMTPFault, int] | None:
        """Return the fault that ends the connection within the mail, not counted yet, and after how many bytes."""
        for fault, cut in self._script.all(Cut):
            if await self._applies(fault, attempt):
                return fault, cut.after_bytes
        return None

    def bytes_at_once(self, most: int) -> int:
        """Return how many bytes to take at once, so that a throttled client is read evenly."""
        slow = self._script.last(Throttle)
        return most if slow is None else max(1, min(most, int(slow[1].bytes_per_second * _THROTTLED)))

    async def throttle(self, size: int) -> None:
        """Wait for as long as ``size`` bytes take, if the script throttles."""
        slow = self._script.last(Throttle)
        if slow is not None:
            slow[0].count_hit()
            await self._protocol.hold(size / slow[1].bytes_per_second)

    def drop(self, attempt: SMTPAttempt, fault: SMTPFault, when: str = "") -> NoReturn:
        """End the connection as the fault is scripted."""
        attempt.fault = fault
        if attempt.code is None:
            attempt.reply = f"the script has dropped the connection{when}"
        reason = f"the script has dropped the connection at {attempt.command}{when}"
        self._protocol.drop(reason, reset=isinstance(fault.effect, Drop | Cut) and fault.effect.reset)

    def after_reply(self) -> None:
        """End the connection if that is due when a command has been replied to."""
        if self._dropper is not None:
            self.drop(*self._dropper)

    async def _applies(self, fault: SMTPFault, subject: SMTPAttempt | ReceivedEmail) -> bool:
        """Return True if the fault is meant; a function of the test's may take its time, in a thread of its own."""
        if not fault.has_function:
            return fault.applies(subject)
        future: asyncio.Future[bool] = self._protocol.loop.create_future()

        def set_result(result: bool, error: BaseException | None) -> None:
            if not future.done():
                future.set_exception(error) if error is not None else future.set_result(result)

        def work() -> None:
            result = False
            failure: BaseException | None = None
            try:
                result = fault.applies(subject)
            except StopIteration as error:  # which no future takes
                failure = RuntimeError(f"{fault.applies!r} raised {error!r}")
                failure.__cause__ = error
            except BaseException as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits any more
                self._protocol.loop.call_soon_threadsafe(set_result, result, failure)

        thread = ServerThread(target=work, name=threading.current_thread().name, daemon=True)
        self._protocol.connection.function_thread = thread
        try:
            start_thread(thread)
            return await future
        finally:
            self._protocol.connection.function_thread = None
