"""The line to a child process: asks it questions, gathers what it prints, and notices its end."""

from __future__ import annotations

import contextlib
import itertools
import queue
import selectors
import signal
import threading
from typing import Any, TypeAlias

from .crossing import Crossing
from .interrupts import Alarm, start_thread
from .launch import Child
from .output import Output

__all__ = ["Gone", "Line", "Silent"]

_CHUNK = 1 << 16
_MOST_CHUNKS = 32  # a pipe holds one or few: what was printed before an answer is read before the answer is
_PAUSE = 0.2  # seconds between two looks at a child for whose end the system has no descriptor
_DYING = 1.0  # seconds that a child gets to end when it has let go of the line

_END = 5.0  # seconds that the thread gets to notice the end of the child

_Answer: TypeAlias = tuple[str, Any]


class Gone(Exception):
    """The process has ended, or has let go of the line."""


class Silent(Exception):
    """The process has not answered in time."""


class Line:
    """One child process and the thread that listens to it.

    Args:
        child: It runs.
        output: Gets what it prints.
        name: Of the thread.

    Attributes:
        is_over: Set when the process has ended.
    """

    def __init__(self, child: Child, output: Output, name: str) -> None:
        self.child = child
        self.output = output
        self.is_over = Alarm()
        self.is_serving = False  # the process has said that it is ready
        self.is_leaving = False  # the process has been told to stop
        self._first: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards what is below
        self._numbers = itertools.count(1)
        self._asked: dict[int, queue.SimpleQueue[_Answer]] = {0: self._first}
        self.thread = threading.Thread(target=self._listen, name=name, daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        start_thread(self.thread)

    def wait_for_ready(self, timeout: float) -> Crossing | None:
        """Wait until the process serves; what it has failed with if it does not.

        Raises:
            Gone: The process has ended without a word.
            Silent: It has not said anything for ``timeout`` seconds.
        """
        word: Any = self._take(self._first, timeout)
        if isinstance(word, Crossing):
            return word
        self.is_serving = True
        return None

    def ask(self, question: str, *arguments: object, timeout: float) -> Any:
        """Ask the child's desk; what it raises there is raised here.

        Raises:
            Gone: The process has ended.
            Silent: No answer has come for ``timeout`` seconds.
        """
        box: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        with self._lock:
            if self.is_over.is_set():
                raise Gone
            number = next(self._numbers)
            self._asked[number] = box
        try:
            self.child.pipe.send((number, question, arguments))
        except OSError as error:
            self.is_over.wait(_DYING + 1.0)
            raise Gone from error
        try:
            return self._take(box, timeout)
        finally:
            with self._lock:
                self._asked.pop(number, None)

    def close(self) -> None:
        """Join the thread and let go of the child, which has ended."""
        self.thread.join(_END)
        self.child.close()

    def _take(self, box: queue.SimpleQueue[_Answer], timeout: float) -> Any:
        try:
            kind, value = box.get(timeout=max(0.0, timeout))
        except queue.Empty:
            raise Silent from None
        if kind == "gone":
            raise Gone
        if kind == "raised":
            raise value.unpack()
        return value

    def _listen(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                self._watch(selector)
        finally:
            with self._lock:
                self.is_over.set()
                asked = list(self._asked.values())
            for box in asked:
                box.put(("gone", None))

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Listen until the process has ended."""
        child = self.child
        selector.register(child.pipe, selectors.EVENT_READ, "pipe")
        selector.register(child.output, selectors.EVENT_READ, "output")
        if child.sentinel is not None:
            selector.register(child.sentinel, selectors.EVENT_READ, "end")
        while child.poll() is None:
            heard = {key.data for key, _ in selector.select(None if child.sentinel is not None else _PAUSE)}
            if not self._drain():
                with contextlib.suppress(KeyError, ValueError):  # it was before, or is closed
                    selector.unregister(child.output)
            if "pipe" in heard and not self._receive():
                selector.unregister(child.pipe)
                if not self.is_leaving and child.wait(_DYING) is None:
                    child.signal(signal.SIGKILL)
        with contextlib.suppress(EOFError, OSError):  # the last answers, if nobody else has the other end
            child.pipe.sock.settimeout(0.0)
            while self._receive():
                pass
        self._drain()

    def _receive(self) -> bool:
        """Hand an answer to whoever has asked; False: there will be none any more."""
        try:
            word = self.child.pipe.receive()
        except EOFError:
            return False
        if isinstance(word, tuple):
            number, good, value = word
            answer = ("answer" if good else "raised", value)
        else:
            number, answer = 0, ("answer", word)
        with self._lock:
            box = self._asked.get(number)
        if box is not None:
            box.put(answer)
        return True

    def _drain(self) -> bool:
        """Take what has been printed; False: nobody can print any more."""
        for _ in range(_MOST_CHUNKS):
            try:
                data = self.child.output.read(_CHUNK)
            except ValueError:  # closed
                return False
            if data is None:
                return True
            if not data:
                return False
            self.output.add(data)
        return True
