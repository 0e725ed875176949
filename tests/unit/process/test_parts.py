"""What processes say to each other: messages, exceptions, output, recipes."""

from __future__ import annotations

import socket
import traceback
import unittest
from typing import Any

from liveserver_testcase.process.child import OutputTail
from liveserver_testcase.process.messages import (
    Pipe,
    RemoteException,
    RemoteTraceback,
    ServerFactory,
    StandIn,
    explain_unreachable,
    find_main,
    find_modules,
)
from tests.integration.process import children
from tests.support import NoLeaks


class Known(ValueError):
    """Travels as it is."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.extra = [what]


class Wordless(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise ZeroDivisionError


def catch(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


class ExceptionTest(unittest.TestCase):
    """Exceptions on their way."""

    def send(self, error: BaseException) -> BaseException:
        return RemoteException.pack(catch(error, KeyError("first"))).unpack()

    def test_itself(self) -> None:
        """An exception that can be pickled arrives as itself, with its attributes."""
        arrived: Any = self.send(Known("this"))
        self.assertEqual((Known, ("this",), ["this"]), (type(arrived), arrived.args, arrived.extra))

    def test_causes_and_traceback(self) -> None:
        """It has the causes that it had, and the last of them the traceback of the other process."""
        cause = self.send(Known("this")).__cause__
        self.assertEqual((KeyError, ("first",)), (type(cause), cause.args if cause is not None else None))
        trace = cause.__cause__ if cause is not None else None
        self.assertIsInstance(trace, RemoteTraceback)
        lines = str(trace).splitlines()
        self.assertEqual(("in the server's process", "KeyError: 'first'"), (lines[0], lines[1]))
        self.assertIn("    raise error from cause", lines)
        self.assertEqual(f"{__name__}.Known: this", lines[-1])

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
        """What cannot travel has a stand-in, of the same name and the nearest built-in class."""

        class Local(LookupError):
            """Is not found by its name."""

        errors: list[tuple[BaseException, type[BaseException], str]] = [
            (children.Particular(1, 2), Exception, "tests.integration.process.children.Particular: 1 and 2"),
            (Local("here"), LookupError, f"{__name__}.{Local.__qualname__}: here"),
            (UnicodeDecodeError("utf-8", b"", 0, 1, "no"), UnicodeDecodeError, "UnicodeDecodeError: 'utf-8' codec"),
            (Wordless(), Exception, f"{__name__}.Wordless: <str() of it raised ZeroDivisionError>"),
            (catch(SystemExit("end")), SystemExit, "SystemExit: end"),
        ]
        for error, base, text in errors:
            with self.subTest(error=type(error)):
                arrived = self.send(error)
                self.assertIsInstance(arrived, base)
                self.assertIn(text, traceback.format_exception_only(type(arrived), arrived)[-1])

    def test_stand_in_of_what_insists_on_arguments(self) -> None:
        """A stand-in can be made for a class of any built-in base."""

        class Local(UnicodeDecodeError):
            """Is not found by its name."""

        arrived = self.send(Local("utf-8", b"abc", 0, 1, "no"))
        self.assertIsInstance(arrived, UnicodeDecodeError)
        self.assertIsInstance(arrived, StandIn)
        self.assertEqual("'utf-8' codec can't decode byte 0x61 in position 0: no", str(arrived))

    def test_describe(self) -> None:
        """Its description is its class and its text, in a line."""
        self.assertEqual("Known: this", RemoteException.pack(Known("this")).describe())
        self.assertEqual("KeyboardInterrupt", RemoteException.pack(KeyboardInterrupt()).describe())


class PipeTest(NoLeaks):
    """Messages."""

    def setUp(self) -> None:
        super().setUp()
        one, two = socket.socketpair()
        self.one, self.two = Pipe(one), Pipe(two)
        self.addCleanup(self.one.close)
        self.addCleanup(self.two.close)

    def test_messages(self) -> None:
        """What is sent arrives, in its order, also when it is larger than a segment."""
        for message in (("a", 1), None, {"x": [1.5]}, b"x" * 100_000):
            self.one.send(message)
            self.assertEqual(message, self.two.receive())

    def test_the_end(self) -> None:
        """A closed end, also in the middle of a message, is an end of the file."""
        self.one.sock.sendall(b"\0\0\1\0half")
        self.one.close()
        self.assertRaises(EOFError, self.two.receive)
        self.assertRaises(OSError, self.two.send, "x")


class OutputTest(unittest.TestCase):
    """The end of what is printed."""

    def test_the_last_is_kept(self) -> None:
        """Beyond the limit the oldest bytes go, and the first line says how many."""
        output = OutputTail(limit=10)
        output.add(b"0123456789")
        self.assertEqual("0123456789", output.text)
        output.add(b"abcde")
        self.assertEqual("… 5 bytes before this are not kept\n56789abcde", output.text)
        output.clear()
        self.assertEqual("", output.text)

    def test_tail(self) -> None:
        """The tail is of whole lines, and bytes that are no text are replaced."""
        output = OutputTail()
        output.add(b"one\ntwo\n\xff\n\n")
        self.assertEqual("two\n\ufffd", output.tail(2))


class RecipeTest(unittest.TestCase):
    """What another process can make."""

    def test_reachable(self) -> None:
        """Classes, functions, class methods and plain values are within reach."""
        for value in (
            Known,
            catch,
            ServerFactory.pack,
            "text",
            1,
            None,
            socket.socket,
            len,
            unittest.TestCase.setUpClass,
        ):
            with self.subTest(value=value):
                self.assertEqual("", explain_unreachable(value))

    def test_unreachable(self) -> None:
        """What was replaced under its name is out of reach."""

        def other() -> None: ...

        other.__qualname__ = "catch"
        self.assertEqual(f"{__name__}.catch is something else by now", explain_unreachable(other))

    def test_modules(self) -> None:
        """Another process imports the modules of what it makes, each with its file; ours it finds by itself."""
        recipe = ServerFactory("some.module:name", (Known, "text"), {"option": children.be_quiet, "ours": NoLeaks})
        self.assertEqual([__name__, children.__name__, NoLeaks.__module__], recipe.owners())
        names = ["an.app", __name__, "builtins", ServerFactory.__module__]
        self.assertEqual({"an.app": "", __name__: __file__}, find_modules(names))
        self.assertEqual({}, find_main(names))
