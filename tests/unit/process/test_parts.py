"""What processes send to each other: messages, exceptions, and what makes a server."""

from __future__ import annotations

import socket
import tempfile
import traceback
import unittest
from typing import Any

from liveserver_testcase.process.child import OutputTail
from liveserver_testcase.process.messages import (
    Pipe,
    RemoteException,
    ServerFactory,
    StandIn,
    explain_unreachable,
    find_main,
    find_modules,
)
from liveserver_testcase.web.live_process import RequestCommandHandler
from liveserver_testcase.web.records import RequestRecord
from liveserver_testcase.web.wsgi import WSGIServer
from tests.integration.cases import raising
from tests.integration.process import children
from tests.support import NoLeaks


class Known(ValueError):
    """Can be pickled."""


class Wordless(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise ZeroDivisionError


class ExceptionTest(unittest.TestCase):
    """Exceptions on their way; `tests.integration.process.test_live` has those of an application."""

    def test_causes_in_a_circle(self) -> None:
        """Causes that never end are cut."""
        error = Known("this")
        error.__cause__ = error
        arrived: BaseException | None = RemoteException.pack(error).unpack()
        count = 0
        while arrived is not None:
            arrived, count = arrived.__cause__, count + 1
        self.assertEqual(22, count)

    def test_stand_ins(self) -> None:
        """What cannot travel has a stand-in, of the same name and the nearest built-in class, whatever that wants."""

        class Local(LookupError):
            """Is not found by its name."""

        class LocalDecodeError(UnicodeDecodeError):
            """Nor is this, and its base insists on arguments."""

        unprintable = f"{__name__}.Wordless: <str() of it raised ZeroDivisionError>"
        errors: list[tuple[BaseException, type[BaseException], str]] = [
            (children.Particular(1, 2), Exception, "tests.integration.process.children.Particular: 1 and 2"),
            (Local("here"), LookupError, f"{__name__}.{Local.__qualname__}: here"),
            (LocalDecodeError("utf-8", b"a", 0, 1, "no"), UnicodeDecodeError, "Error: 'utf-8' codec can't decode"),
            (Wordless(), Exception, unprintable),
        ]
        for error, base, text in errors:
            with self.subTest(error=type(error)):
                arrived = RemoteException.pack(error).unpack()
                self.assertIsInstance(arrived, StandIn)
                self.assertIsInstance(arrived, base)
                self.assertIn(text, traceback.format_exception_only(type(arrived), arrived)[-1])
        decoding = UnicodeDecodeError("utf-8", b"", 0, 1, "no")
        self.assertEqual(decoding.args, RemoteException.pack(decoding).unpack().args)

    def test_describe(self) -> None:
        """Its description is its class and its text, in a line."""
        self.assertEqual("Known: this", RemoteException.pack(Known("this")).describe())
        self.assertEqual("KeyboardInterrupt", RemoteException.pack(KeyboardInterrupt()).describe())


class PipeTest(NoLeaks):
    """Messages."""

    def test_messages_and_their_end(self) -> None:
        """A message may be larger than a segment; a closed end, also in the middle of one, is an end of the file."""
        one, two = map(Pipe, socket.socketpair())
        self.addCleanup(two.close)
        self.addCleanup(one.close)
        one.send(b"x" * 100_000)
        self.assertEqual(b"x" * 100_000, two.receive())

        one.sock.sendall(b"\0\0\1\0half")
        one.close()

        self.assertRaises(EOFError, two.receive)
        self.assertRaises(OSError, two.send, "x")


class RecordsTest(unittest.TestCase):
    """Records of requests on their way to the process of the tests."""

    def test_an_exception_is_pushed_once(self) -> None:
        """A request that a command has found to be over is noted once more by the thread that has served it."""
        pushed: list[Any] = []
        with tempfile.TemporaryFile() as memory, WSGIServer(raising.serve_wsgi) as server:
            handler = RequestCommandHandler(server, pushed.append, memory.fileno())
            record: Any = RequestRecord("GET", "/", ("127.0.0.1", 50000), "HTTP/1.1")
            server.journal.add(record)
            record.errors.append(ValueError("once"))
            server.journal.notify(record)
            record.duration = 0.1
            handler.sync()
            server.journal.notify(record)
        self.assertEqual(
            ["once"], [str(error.unpack()) for each in pushed for update in each for error in update.errors]
        )


class OutputTest(unittest.TestCase):
    """The end of what is printed."""

    def test_the_last_is_kept(self) -> None:
        """The oldest bytes go, and the first line says how many; a tail has whole lines, and no bytes but text."""
        output = OutputTail(limit=10)
        output.add(b"0123456789")
        self.assertEqual("0123456789", output.text)
        output.add(b"a\ntwo\n\xff\n\n")
        self.assertEqual("… 9 bytes before this are not kept\n9a\ntwo\n\ufffd\n\n", output.text)
        self.assertEqual("two\n\ufffd", output.tail(2))


class FactoryTest(unittest.TestCase):
    """What another process can make."""

    def test_unreachable(self) -> None:
        """Classes, functions, class methods and plain values are within reach; what was replaced is not."""

        def other() -> None: ...

        other.__qualname__ = "Known"
        self.assertEqual(f"{__name__}.Known is something else by now", explain_unreachable(other))
        for value in (Known, children.be_quiet, ServerFactory.pack, "text", None, len, unittest.TestCase.setUpClass):
            with self.subTest(value=value):
                self.assertEqual("", explain_unreachable(value))

    def test_modules(self) -> None:
        """Another process imports the modules of what it makes, each with its file; ours it finds by itself."""
        factory = ServerFactory("some.module:name", (Known, "text"), {"option": children.be_quiet, "more": NoLeaks})
        self.assertEqual([__name__, children.__name__, NoLeaks.__module__], factory.owners())
        names = ["an.app", __name__, "builtins", ServerFactory.__module__]
        self.assertEqual({"an.app": "", __name__: __file__}, find_modules(names))
        self.assertEqual({}, find_main(names))
