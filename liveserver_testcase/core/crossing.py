"""Exceptions on their way from one process to another, where their classes may be unknown."""

from __future__ import annotations

import builtins
import io
import pickle
import sys
import traceback
from dataclasses import dataclass
from typing import Any

__all__ = ["Crossing", "RemoteTraceback", "StandIn"]

_MOST_CAUSES = 20
_MAINS = {"__mp_main__": "__main__"}  # what a child calls the module that is the main one of its parent


class RemoteTraceback(Exception):
    """The cause of an exception from another process: its traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"in the server's process\n{self.text.rstrip()}"


class StandIn(Exception):
    """Stands for an exception that cannot be had in this process: it has its name, text and built-in base.

    Attributes:
        text: What ``str()`` made of the original.
    """

    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Crossing:
    """An exception as it travels.

    Attributes:
        pickled: The exception itself; None if a copy would not be what it was.
        module: Where its class is from.
        name: The qualified name of its class.
        text: What ``str()`` makes of it.
        base: The nearest built-in class that it is of.
        trace: Its traceback, with causes and notes; empty for a cause.
        cause: The exception that it was raised from.
    """

    pickled: bytes | None
    module: str
    name: str
    text: str
    base: str
    trace: str
    cause: Crossing | None = None

    @classmethod
    def pack(cls, error: BaseException) -> Crossing:
        """Make an exception ready for its journey, with those that it was raised from."""
        causes: list[BaseException] = []
        cause = error.__cause__
        while cause is not None and len(causes) < _MOST_CAUSES:
            causes.append(cause)
            cause = cause.__cause__
        packed: Crossing | None = None
        for each in reversed(causes):
            packed = cls._pack(each, packed, "")
        return cls._pack(error, packed, "".join(traceback.format_exception(type(error), error, error.__traceback__)))

    @classmethod
    def _pack(cls, error: BaseException, cause: Crossing | None, trace: str) -> Crossing:
        kind = type(error)
        try:
            text = str(error)
        except Exception as broken:
            text = f"<str() of it raised {type(broken).__name__}>"
        base = next(base for base in kind.__mro__ if base.__module__ == "builtins")
        pickled = _pickle_faithfully(error, text)
        return cls(pickled, kind.__module__, kind.__qualname__, text, base.__name__, trace, cause)

    def describe(self) -> str:
        """Its class and its text, in a line."""
        return f"{self.name}: {self.text}" if self.text else self.name

    def unpack(self, trace: str = "") -> BaseException:
        """The exception itself if its class is known here, else a `StandIn`; the last of its causes is its traceback.

        No module is imported for it: that of an application would do here what it is kept in its own process for.
        """
        error: Any = None
        if self.pickled is not None:
            try:
                error = _Unpickler(io.BytesIO(self.pickled)).load()
            except Exception:
                error = None
        if not isinstance(error, BaseException):
            error = self._make_stand_in()
        arrived: BaseException = error
        trace = trace or self.trace
        arrived.__cause__ = self.cause.unpack(trace) if self.cause is not None else RemoteTraceback(trace)
        return arrived

    def _make_stand_in(self) -> BaseException:
        base: Any = getattr(builtins, self.base, Exception)
        bases = (StandIn,) if issubclass(StandIn, base) else (StandIn, base)
        names = {"__module__": self.module, "__qualname__": self.name, "text": self.text, "__init__": _take_anything}
        kind = type(self.name.rpartition(".")[2], bases, names)
        error: BaseException = kind(self.text)
        return error


def _take_anything(_self: object, *_arguments: object) -> None:
    """Initialise nothing: some built-in exceptions insist on arguments of their own."""


def _pickle_faithfully(error: BaseException, text: str) -> bytes | None:
    """The exception pickled, if what comes out of it is the same."""
    try:
        data = pickle.dumps(error)
        copy = pickle.loads(data)
        same = type(copy) is type(error) and str(copy) == text and repr(copy.args) == repr(error.args)
    except Exception:
        return None
    return data if same else None


class _Unpickler(pickle.Unpickler):
    """Finds classes in the modules that are imported already, and imports none."""

    def find_class(self, module: str, name: str) -> Any:
        module = _MAINS.get(module, module)
        if module not in sys.modules:
            raise pickle.UnpicklingError(f"{module} is not imported here")
        return super().find_class(module, name)
