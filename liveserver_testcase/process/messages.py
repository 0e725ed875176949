"""The messages between a server's process and its parent, in order over a socket: commands, results, events."""

from __future__ import annotations

import builtins
import contextlib
import io
import pickle
import pkgutil
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MethodType
from typing import Any, cast

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
    """One end of a connected socket; several threads may send, one receives."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fileno, self.close = sock.fileno, sock.close
        self._lock = threading.Lock()  # keeps the bytes of a message together

    def send(self, message: object) -> None:
        """Send a message that can be pickled; an OSError says that nobody is at the other end."""
        data = pickle.dumps(message)
        with self._lock:
            self.sock.sendall(len(data).to_bytes(_HEAD, "big") + data)

    def receive(self) -> Any:
        """Wait for the next message; an EOFError says that there will be none."""
        return pickle.loads(self._read(int.from_bytes(self._read(_HEAD), "big")))

    def _read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                part = self.sock.recv(min(count - len(data), 1 << 20))
            except OSError as error:
                raise EOFError(f"the pipe broke: {error}") from error
            if not part:
                raise EOFError("the other end of the pipe is closed")
            data += part
        return bytes(data)


_MOST_CAUSES = 20
_MAINS = {"__mp_main__": "__main__"}  # what a child calls the module that is the main one of its parent


class RemoteTraceback(Exception):
    """The cause of an exception from another process: its traceback there, as text."""

    def __str__(self) -> str:
        return f"in the server's process\n{self.args[0].rstrip()}"


class StandIn(Exception):
    """Stands for an exception that cannot be had in this process: it has its name, text and built-in base."""

    text: str = ""  # what ``str()`` made of the original

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class RemoteException:
    """An exception that is sent to another process, with those that it was raised from."""

    pickled: bytes | None  # None if a copy would not be what it was
    module: str
    name: str  # the qualified name of its class
    text: str
    base: str  # the nearest built-in class that it is of
    trace: str  # with causes and notes; empty for a cause
    cause: RemoteException | None = None

    @classmethod
    def pack(cls, error: BaseException) -> RemoteException:
        """Make an exception ready to be sent."""
        chain = [error]
        while (cause := chain[-1].__cause__) is not None and len(chain) <= _MOST_CAUSES:
            chain.append(cause)
        packed = None
        for each in reversed(chain):
            kind = type(each)
            try:
                text = str(each)
            except Exception as broken:
                text = f"<str() of it raised {type(broken).__name__}>"
            pickled: bytes | None = None
            with contextlib.suppress(Exception):
                data = pickle.dumps(each)
                copy = pickle.loads(data)
                if type(copy) is kind and str(copy) == text and repr(copy.args) == repr(each.args):
                    pickled = data
            base = next(base.__name__ for base in kind.__mro__ if base.__module__ == "builtins")
            packed = cls(pickled, kind.__module__, kind.__qualname__, text, base, "", packed)
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return replace(cast(RemoteException, packed), trace=trace)

    def describe(self) -> str:
        """Its class and its text, without secrets."""
        return mask(f"{self.name}: {self.text}" if self.text else self.name)

    def unpack(self, trace: str = "") -> BaseException:
        """The exception itself if its class is known here, else a `StandIn`; the last of its causes is its traceback.

        No module is imported for it: that of an application would do here what it is kept in its own process for.
        """
        error: BaseException
        try:
            error = _Unpickler(io.BytesIO(self.pickled or b"")).load()
        except Exception:
            base: Any = getattr(builtins, self.base, Exception)
            kind = type(
                self.name.rpartition(".")[2],
                (StandIn,) if issubclass(StandIn, base) else (StandIn, base),
                {
                    "__module__": self.module,
                    "__qualname__": self.name,
                    "text": self.text,
                    "__init__": lambda *_: None,  # some built-in exceptions insist on arguments of their own
                },
            )
            error = kind(self.text)
        trace = trace or self.trace
        error.__cause__ = self.cause.unpack(trace) if self.cause is not None else RemoteTraceback(trace)
        return error


class _Unpickler(pickle.Unpickler):
    """Finds classes in the modules that are imported already, and imports none."""

    def find_class(self, module: str, name: str) -> Any:
        module = _MAINS.get(module, module)
        if module not in sys.modules:
            raise pickle.UnpicklingError(f"{module} is not imported here")
        return super().find_class(module, name)


@dataclass(frozen=True)
class Result:
    """What a command has returned or raised."""

    number: int  # that of the command; 0 is the start of the server
    value: Any = None
    error: RemoteException | None = None


@dataclass(frozen=True)
class Event:
    """Something that the child pushes without having been asked; what it means is its handler's matter."""

    value: Any


@dataclass(frozen=True)
class WorkerConfig:
    """How a child process makes its server."""

    parent_pid: int
    host: str  # what its sockets were bound as
    factory: bytes  # a `ServerFactory`, pickled: its modules are imported first
    handler: str  # the import string of the class that runs its parent's commands
    sys_path: tuple[str, ...]
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    modules: Mapping[str, str]  # see `find_modules`
    main: Mapping[str, str]  # see `find_main`


@dataclass(frozen=True)
class StopReport:
    """What a server reports when it has stopped."""

    unfinished: list[Unfinished]
    failures: list[RemoteException]  # what its threads have ended with
    threads: list[Unfinished]  # the application's that are no daemons, for which the end of the process waits


_ADVICE = "Give a function or class at the top level of a module, or an import string such as 'package.module:name'"


@dataclass(frozen=True)
class ServerFactory:
    """A call that makes something in another process."""

    make: Callable[..., Any] | str  # what can be imported by its module and name, or an import string
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ()  # modules that are imported before anything of ours: an application may want that

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

    def owners(self) -> list[str]:
        """The modules in which what is called there, and what it is called with, are found."""
        return [owner.__module__ for owner in map(_owner, self._values) if owner is not None]

    @property
    def _values(self) -> tuple[Any, ...]:
        return self.make, *self.arguments, *self.options.values()


def find_modules(names: Iterable[str]) -> dict[str, str]:
    """The modules that another process imports first, in order, each with the file to load where it is not found."""
    return {
        name: getattr(sys.modules.get(name), "__file__", None) or ""
        for name in names
        if name not in ("builtins", "__main__") and not name.startswith(f"{__package__.partition('.')[0]}.")
    }


def find_main(names: Iterable[str]) -> dict[str, str]:
    """What `multiprocessing.spawn.prepare` imports the script of this process from; empty if nobody needs that."""
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
