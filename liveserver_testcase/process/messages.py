"""The messages between a server's process and its parent, in order over a socket: commands, results, events."""

from __future__ import annotations

import builtins
import io
import pickle
import pkgutil
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

from ..core.masking import mask
from ..core.text import describe_error
from ..core.tracebacks import Unfinished
from ..errors import UsageError

__all__ = [
    "Event",
    "Pipe",
    "RemoteException",
    "RemoteTraceback",
    "Result",
    "ServerFactory",
    "StandIn",
    "StopReport",
    "WorkerConfig",
    "explain_unreachable",
    "find_main",
    "find_modules",
]

_HEAD = 4  # bytes of a message's length: 4 GB are enough


class Pipe:
    """One end; several threads may send, one receives.

    Args:
        sock: A connected socket, which is the pipe's from now on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._lock = threading.Lock()  # keeps the bytes of a message together

    def send(self, message: object) -> None:
        """Send a message that can be pickled.

        Raises:
            OSError: Nobody is at the other end.
        """
        data = pickle.dumps(message)
        with self._lock:
            self.sock.sendall(len(data).to_bytes(_HEAD, "big") + data)

    def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            EOFError: There will be none: nobody is at the other end.
        """
        return pickle.loads(self._read(int.from_bytes(self._read(_HEAD), "big")))

    def _read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            try:
                part = self.sock.recv(min(count, 1 << 20))
            except OSError as error:
                raise EOFError(f"the pipe broke: {error}") from error
            if not part:
                raise EOFError("the other end of the pipe is closed")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def fileno(self) -> int:
        """The descriptor of the socket; negative if it is closed."""
        return self.sock.fileno()

    def close(self) -> None:
        """Close this end."""
        self.sock.close()


_MOST_CAUSES = 20
_MAINS = {"__mp_main__": "__main__"}  # what a child calls the module that is the main one of its parent


class RemoteTraceback(Exception):
    """The cause of an exception from another process: its traceback there, as text."""

    def __str__(self) -> str:
        return f"in the server's process\n{self.args[0].rstrip()}"


class StandIn(Exception):
    """Stands for an exception that cannot be had in this process: it has its name, text and built-in base.

    Attributes:
        text: What ``str()`` made of the original.
    """

    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class RemoteException:
    """An exception that is sent to another process.

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
    cause: RemoteException | None = None

    @classmethod
    def pack(cls, error: BaseException) -> RemoteException:
        """Make an exception ready to be sent, with those that it was raised from."""
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return cls._pack(error, trace, _MOST_CAUSES)

    @classmethod
    def _pack(cls, error: BaseException, trace: str, causes: int) -> RemoteException:
        kind = type(error)
        try:
            text = str(error)
        except Exception as broken:
            text = f"<str() of it raised {type(broken).__name__}>"
        base = next(base for base in kind.__mro__ if base.__module__ == "builtins")
        cause = cls._pack(error.__cause__, "", causes - 1) if error.__cause__ is not None and causes else None
        pickled = _pickle_faithfully(error, text)
        return cls(pickled, kind.__module__, kind.__qualname__, text, base.__name__, trace, cause)

    def describe(self) -> str:
        """Its class and its text, without secrets."""
        return mask(f"{self.name}: {self.text}" if self.text else self.name)

    def unpack(self, trace: str = "") -> BaseException:
        """The exception itself if its class is known here, else a `StandIn`; the last of its causes is its traceback.

        No module is imported for it: that of an application would do here what it is kept in its own process for.
        """
        try:
            error: BaseException = _Unpickler(io.BytesIO(self.pickled or b"")).load()
        except Exception:
            error = self._make_stand_in()
        trace = trace or self.trace
        error.__cause__ = self.cause.unpack(trace) if self.cause is not None else RemoteTraceback(trace)
        return error

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


@dataclass(frozen=True)
class Result:
    """What a command has returned or raised.

    Attributes:
        number: That of the command; 0 is the start of the server.
        value: What it has returned.
        error: What it has raised; None if it has not.
    """

    number: int
    value: Any = None
    error: RemoteException | None = None


@dataclass(frozen=True)
class Event:
    """Something that the child pushes without having been asked; what it means is its handler's matter."""

    value: Any


@dataclass(frozen=True)
class WorkerConfig:
    """How a child process makes its server.

    Attributes:
        parent_pid: The process that it serves, and does not outlive.
        host: What its sockets were bound as.
        factory: The `ServerFactory`, pickled: its modules are imported first.
        handler: The class that runs its parent's commands, as an import string.
        sys_path: ``sys.path`` of the parent.
        argv: ``sys.argv`` of the parent.
        environment: All of its environment.
        modules: What is imported first: names, each with the file to load where the name cannot be found.
        main: How the script that the parent runs is found, for `multiprocessing.spawn.prepare`.
    """

    parent_pid: int
    host: str
    factory: bytes
    handler: str
    sys_path: tuple[str, ...]
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    modules: Mapping[str, str]
    main: Mapping[str, str]


@dataclass(frozen=True)
class StopReport:
    """What a server reports when it has stopped.

    Attributes:
        unfinished: The work that it had to cut.
        failures: What its threads have ended with.
        threads: What may keep the process from ending: the application's threads that are no daemons.
    """

    unfinished: list[Unfinished]
    failures: list[RemoteException]
    threads: list[Unfinished]


_ADVICE = "Give a function or class at the top level of a module, or an import string such as 'package.module:name'"


@dataclass(frozen=True)
class ServerFactory:
    """A call that makes something in another process.

    Attributes:
        make: What is called there: importable by its module and name, or an import string ``package.module:name``.
        arguments: Its positional arguments, to be pickled.
        options: Its keyword arguments, to be pickled.
        preload: Modules that are imported there before anything of ours: an application may want to be the first.
    """

    make: Callable[..., Any] | str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """The factory pickled.

        Raises:
            UsageError: Something in it cannot be found in, or sent to, another process.
        """
        for value in self._values:
            reason = explain_unreachable(value)
            if reason:
                raise UsageError(f"a process of its own cannot get at {value!r}: {reason}. {_ADVICE}.")
        try:
            return pickle.dumps(self)
        except Exception as error:
            raise UsageError(
                f"what is sent to the server's process cannot be pickled ({describe_error(error)}). {_ADVICE}, "
                "and arguments that are plain values."
            ) from error

    def call(self) -> Any:
        """Make it here."""
        make = pkgutil.resolve_name(self.make) if isinstance(self.make, str) else self.make
        return make(*self.arguments, **self.options)

    def modules(self) -> dict[str, str]:
        """See `find_modules`."""
        return find_modules([*self.preload, *self._owners])

    def main(self) -> dict[str, str]:
        """See `find_main`."""
        return find_main(self._owners)

    @property
    def _values(self) -> tuple[Any, ...]:
        return self.make, *self.arguments, *self.options.values()

    @property
    def _owners(self) -> list[str]:
        return [owner.__module__ for owner in map(_owner, self._values) if owner is not None]


def find_modules(names: Iterable[str]) -> dict[str, str]:
    """The modules that another process needs first, each with its file ('' if it has none), in order."""
    return {
        name: getattr(sys.modules.get(name), "__file__", None) or ""
        for name in names
        if name not in ("builtins", "__main__") and not name.startswith(f"{__package__.partition('.')[0]}.")
    }


def find_main(names: Iterable[str]) -> dict[str, str]:
    """How another process finds the script that this one runs; empty if that is none of the modules."""
    if "__main__" not in names:
        return {}
    from multiprocessing.spawn import get_preparation_data

    found = get_preparation_data("server")
    return {name: found[name] for name in ("init_main_from_name", "init_main_from_path") if name in found}


def _owner(value: object) -> Any:
    """The class or function in whose module ``value`` is found; None for a plain value."""
    if isinstance(value, MethodType):
        value = value.__self__ if isinstance(value.__self__, type) else value.__func__
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return value
    return None


def explain_unreachable(value: object) -> str:
    """Why another process cannot import a class, function or class method; empty if it can, or it is none of these."""
    owner = _owner(value)
    if owner is None:
        return ""
    module = sys.modules.get(owner.__module__)
    where, _, name = owner.__qualname__.rpartition(".")
    if name == "<lambda>":
        return "it is a lambda, which has no name"
    if where.endswith("<locals>"):
        return f"it is defined inside of {where.rpartition('.')[0]}()"
    if owner.__module__ == "__main__" and not getattr(module, "__file__", None):
        return "it is defined in an interactive session, or in code that came from no file"
    found: Any = module
    for part in owner.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not owner and getattr(found, "__func__", found) is not owner:
        return f"{owner.__module__}.{owner.__qualname__} is something else by now"
    return ""
