"""A stub in a process of its own, as the test has it: its script, and what is decided by it, are in that process.

How it works.  The child serves an `HTTPStub` like any other (`remote_worker`).  In this process an `HTTPStub` has a
`RemoteStubEngine` behind it, and in place of its registry, its expectations, holds and scenarios *handles*: what is
called, read or set of one is sent to the child as a command, with pickled arguments, and the result or the exception
comes back.  A handle among the arguments, or an object of that kind in a result, travels as its number.

Requests do not travel as commands: the child pushes its exchanges, as the live server's does (`web.live_process`), and
before each result all that is new, so that the journal here is that of the child.  What looks at requests, as
``stub.requests``, ``assertRequested`` or a wait, therefore runs here, with whatever criteria.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import inspect
import io
import pickle
import threading
import weakref
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..core.checks import check_switch
from ..core.text import describe_error, quote
from ..core.tls import Certificates
from ..errors import ServerDied, ServerNotStarted, UsageError
from ..process.messages import RemoteTraceback, ServerFactory, explain_unreachable, find_main, find_modules
from ..web.live_process import RecordUpdate, RemoteServer
from ..web.records import Exchange
from ..web.wsgi import make_base_environ
from .engine import StubEngine
from .expectation import Expectation, Order, Scenario
from .faults import ConnectionFault, Outage
from .hold import Hold
from .inspection import Failure, Inspection
from .matching import Criteria
from .registry import ExpectationRegistry
from .request import RecordedRequest
from .responders import describe_function

if TYPE_CHECKING:
    from .hosts import StubbedHosts

__all__ = ["EXCHANGE", "KINDS", "REQUEST", "RemoteStubEngine", "Unpacker", "refuse_stream"]

__unittest = True

T = TypeVar("T")

REGISTRY, INSPECTION, ENGINE, FIRST = range(4)
"""The numbers of what is there from the start, and the first number of anything else."""
KINDS: tuple[type, ...] = (Expectation, Hold, Scenario, Order, Criteria, ConnectionFault, Outage)
"""What stays in the child: here there are handles of it."""
REQUEST, EXCHANGE = "request", "exchange"

_OPTIONS = "client_auth", "keep_alive", "body_limit", "external_host", "header_timeout", "body_timeout"  # of the child
_SETTINGS = ("name", "is_strict", "is_verified", "unmatched_reply")  # the attributes of an inspection for the child
_ADVICE = (
    "What can be sent are values, and functions and classes at the top level of a module; "
    "a stub with mode='thread' takes anything"
)
_MISUSES = (UsageError, TypeError, AttributeError, AssertionError)  # whose text says it all
_NOTHING: tuple[list[Failure], list[Failure], list[Failure]] = ([], [], [])
_IMPORT = 60.0  # seconds for a command before which the child imports what a test has sent: a library can take long
_GENERATION = 1_000_000_000  # objects of one child: each start has numbers of its own


# -- handles -----------------------------------------------------------------------------------------------------------


class _Handle:
    """Stands for an object in the child."""

    _remote: tuple[RemoteStubEngine, int]

    def __init__(self, engine: RemoteStubEngine, number: int) -> None:
        object.__setattr__(self, "_remote", (engine, number))

    @property
    def _inspection(self) -> RemoteInspection:
        return self._remote[0].inspection

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return _run(self, "__getattribute__", name)

    def __setattr__(self, name: str, value: object) -> None:
        _run(self, "__setattr__", name, value)

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _run(handle: _Handle, name: str, /, *args: Any, **kwargs: Any) -> Any:
    engine, number = handle._remote
    return engine.run(number, name, *args, **kwargs)


def _make_handle_class(kind: type[T], own: tuple[str, ...] = (), methods: tuple[str, ...] = ()) -> Any:
    """Make the class of the handles of a kind; ``own`` methods run here, ``methods`` are attributes to be called."""
    members: dict[str, Any] = {name: _forward_call(name) for name in methods}
    for name in dir(kind):
        if name in own or (name.startswith("__") and name != "__repr__"):
            continue
        found = inspect.getattr_static(kind, name)
        if isinstance(found, FunctionType):
            members[name] = functools.wraps(found)(_forward_call(name))
        else:
            members[name] = property(functools.partial(_read, name))
    members |= {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (_Handle, kind), members)


def _forward_call(name: str) -> Callable[..., Any]:
    return lambda self, /, *args, **kwargs: _run(self, name, *args, **kwargs)


def _read(name: str, handle: _Handle) -> Any:
    return _run(handle, "__getattribute__", name)


def _read_requests(expectation: _Handle) -> list[RecordedRequest]:
    """Those that are recorded: one that has been decided upon just now is in a moment."""
    return [request for request in _read("requests", expectation) if request is not None]


def _end(disruption: _Handle) -> None:
    """End a disruption, unless its stub has been stopped, or another test has begun: then it is over."""
    with contextlib.suppress(UsageError, ServerNotStarted):
        _run(disruption, "end")


_HANDLES: Mapping[type, Any] = {
    **{kind: _make_handle_class(kind) for kind in KINDS},
    Expectation: _make_handle_class(Expectation, ("wait", "wait_async", "get_inspection", "_inspection", "_make_wait")),
    Hold: _make_handle_class(Hold, ("wait", "wait_async", "_describe", "_inspection"), ("_describe",)),
}
_HANDLES[Expectation].requests = property(_read_requests)
_HANDLES[ConnectionFault].end = _HANDLES[Outage].end = _end
_RegistryHandle = _make_handle_class(ExpectationRegistry)


# -- what travels ------------------------------------------------------------------------------------------------------


class _Packer(pickle.Pickler):
    """Pickles arguments for the child, and refuses what it could not have as it is here."""

    def __init__(self, file: io.BytesIO, engine: RemoteStubEngine) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._engine = engine
        self.modules: dict[str, None] = {}  # from which the child must import something

    def persistent_id(self, value: object) -> object:
        if isinstance(value, _Handle):
            engine, number = value._remote
            if engine is not self._engine:
                raise UsageError(f"{quote(value)} is of another stub")
            return None, number
        if value is self._engine.inspection:
            return None, INSPECTION
        if not isinstance(value, RecordedRequest | Exchange):
            return None
        exchange = value.exchange if isinstance(value, RecordedRequest) else value
        if self._engine.find_exchange(exchange.index) is not exchange:
            raise UsageError(f"{value.describe()} is no request of this test to this stub")
        return EXCHANGE if value is exchange else REQUEST, exchange.index

    def reducer_override(self, value: Any) -> Any:
        reason = explain_unreachable(value)
        if reason:
            raise _refuse(value, reason)
        if isinstance(value, MethodType) and not isinstance(value.__self__, type | ModuleType):
            raise _refuse(value, "it is a method of an object, of which that process would have a copy")
        if isinstance(value, type | FunctionType | MethodType):
            owner = value.__self__ if isinstance(value, MethodType) else value
            self.modules[owner.__module__] = None
            return NotImplemented
        if type(value) in copyreg.dispatch_table:
            return NotImplemented
        try:
            return value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise _refuse(value, describe_error(error)) from None


def _refuse(value: Any, reason: str) -> UsageError:
    is_function = isinstance(value, FunctionType | MethodType)
    shown = describe_function(value) if is_function else quote(value)
    return UsageError(f"{shown} cannot be sent to the stub's process: {reason}. {_ADVICE}.")


def refuse_stream(_request: object) -> Any:
    """Stand here for the stream of a reply in the child."""
    raise UsageError("the body of this reply is a stream, which is in the stub's process")


class Unpacker(pickle.Unpickler):
    """Makes of what the other process sends what it is in this one, by ``load(kind, number)``."""

    def __init__(self, data: bytes, load: Callable[[Any, int], object]) -> None:
        super().__init__(io.BytesIO(data))
        self._load = load

    def persistent_load(self, found: tuple[Any, int]) -> Any:
        """See `pickle.Unpickler`."""
        return self._load(*found)


# -- the stub's parts --------------------------------------------------------------------------------------------------


def _in_child(number: int, name: str, *default: Any) -> Any:
    """A method that is called in the child; with a default also where nothing serves, and is not called then."""

    def call(self: RemoteStubEngine | RemoteInspection, *args: Any, **kwargs: Any) -> Any:
        engine = self if isinstance(self, RemoteStubEngine) else self._remote
        return default[0] if default and not engine._serves else engine.run(number, name, *args, **kwargs)

    call.__doc__ = f"See the ``{name}`` of what is in the child."
    return call


class RemoteInspection(Inspection):
    """What has come, read here; what is held against a test is in the child."""

    is_remote = True

    def __init__(self, engine: RemoteStubEngine) -> None:
        super().__init__(cast(Any, engine), engine.registry)
        self._remote = engine
        self.left = _NOTHING  # by a child that was stopped: see `take_all`

    def __setattr__(self, name: str, value: object) -> None:
        remote = vars(self).get("_remote")
        if name in _SETTINGS and remote is not None and remote.is_running:
            remote.run(INSPECTION, "__setattr__", name, value)
        object.__setattr__(self, name, value)

    def begin(self, name: str) -> None:
        self.left = [], self.left[1], self.left[1]
        self._remote.begin(name)

    def reset(self) -> None:
        self.left = _NOTHING
        self._remote.run(INSPECTION, "reset")

    def take_failures(self) -> list[Failure]:
        """See `Inspection.take_failures`; the death of the child is one, once in each test."""
        try:
            self._remote._check_life()
            found = self._take()
        except ServerDied as death:
            found = [Failure(str(death))]
        left, late, _ = self.left
        self.left = [], late, late
        return [*left, *found]

    def take_late_failures(self) -> list[Failure]:
        late, self.left = self.left[2], _NOTHING
        return [*late, *self._take_late()]

    _take: Any = _in_child(INSPECTION, "take_failures", [])
    _take_late: Any = _in_child(INSPECTION, "take_late_failures", [])
    check_met: Any = _in_child(INSPECTION, "check_met")
    is_satisfied: Any = _in_child(INSPECTION, "is_satisfied")


class RemoteStubEngine(RemoteServer):
    """Serves a stub in a child process; has what `HTTPStub` asks of a `StubEngine`."""

    label = "http-stub"
    handler = f"{__package__}.remote_worker:StubCommandHandler"
    _record_type = Exchange

    def __init__(self, host: str, **options: Any) -> None:
        # serves nothing: what makes no sense is refused before there is a process
        checked = StubEngine(host, **options)
        hosts = options.pop("hosts")
        there = {name: options.pop(name) for name in _OPTIONS}
        there["hosts"] = hosts.patterns if hosts is not None else ()
        super().__init__("", host, options=there, external_host=there["external_host"], **options)
        self.hosts: StubbedHosts | None = hosts
        self.tls, self.keep_alive, self.body_limit = checked.tls, checked.keep_alive, checked.body_limit
        self._handles: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._handles_lock = threading.Lock()  # guards that: one object has one handle
        self._first_number = FIRST
        self._base_environ: dict[str, Any] | None = None
        self.registry: Any = _RegistryHandle(self, REGISTRY)
        self.inspection = RemoteInspection(self)

    # -- commands ----------------------------------------------------------------------------------------------------

    def run(self, number: int, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of an object in the child."""
        file = io.BytesIO()
        packer = _Packer(file, self)
        try:
            packer.dump((args, kwargs))
        except UsageError as error:
            raise error.with_traceback(None) from None
        except Exception as error:
            raise UsageError(
                f"what was given cannot be sent to the stub's process: {describe_error(error)}. {_ADVICE}."
            ) from error
        names = list(packer.modules)
        command = ("run", number, name, file.getvalue(), find_modules(names), find_main(names))
        try:
            result = self._call(*command, timeout=_IMPORT) if names else self._call(*command)
        except _MISUSES as error:
            if isinstance(error.__cause__, RemoteTraceback):
                error.__cause__ = None
            raise error.with_traceback(None)  # noqa: B904  # it is the same error
        if result is None:
            raise ServerNotStarted(
                f"{self!r} is not running, and with mode='process' its script is in its process: call start() first, "
                "and write it then"
            )
        return Unpacker(result, self._load).load()

    def _load(self, kind: Any, number: int) -> object:
        """What an object of the child is here; None for a request that is not recorded."""
        if kind in (REQUEST, EXCHANGE):
            exchange = self.find_exchange(number)
            return exchange.handler_data if kind == REQUEST and exchange is not None else exchange
        with self._handles_lock:
            handle = self._handles.get(number)
            if handle is None:
                handle = self._handles[number] = _HANDLES[kind](self, number)
            return handle

    def find_exchange(self, number: int) -> Exchange | None:
        """Return an exchange that is recorded here."""
        return cast("Exchange | None", self._records.get(number))

    # -- what a test asks --------------------------------------------------------------------------------------------

    is_decided: Any = _in_child(ENGINE, "is_decided", True)
    take_errors: Any = _in_child(ENGINE, "take_errors", [])
    fail_connections: Any = _in_child(ENGINE, "fail_connections")
    go_down: Any = _in_child(ENGINE, "go_down")

    def close_connections(self, *, reset: bool = False) -> None:
        """Cut every connection; with a TCP reset, if so asked."""
        check_switch("reset", reset)
        if self._serves:
            self.run(ENGINE, "close_connections", reset=reset)

    def end_disruptions(self) -> None:
        """Nothing: the child does so when a test begins."""

    # -- what the child pushes ---------------------------------------------------------------------------------------

    def _on_event(self, value: Any) -> None:
        found = Unpacker(value, self._load).load()
        if isinstance(found, tuple):
            self.inspection.left = found
        else:
            super()._on_event(cast("list[RecordUpdate]", found))
        self.journal.notify()

    def _set_more(self, record: Any, more: Any) -> None:
        record.head = record.body = record.response = None
        kept, block, base, found = more
        for name, value in kept.items():
            setattr(record, name, value)
        request = getattr(record, "handler_data", None)
        if found is not None:
            if request is None:
                if self._base_environ is None:
                    self._base_environ = make_base_environ(self.scheme, self.host, self.port)
                request = RecordedRequest(record, found["body"], {**self._base_environ, **base})
                request._block = block
            vars(request).update(found)
        record.handler_data = request

    def _add_error(self, record: Any, error: BaseException) -> None:
        record.errors.append(error)  # `take_errors` asks the child

    def _on_end(self, memory: int) -> None:
        self.journal.notify()

    # -- life --------------------------------------------------------------------------------------------------------

    def _make_factory(self, port: int) -> ServerFactory:
        self._first_number += _GENERATION
        self._base_environ = None
        options = {
            **super()._make_factory(port).options,
            "tls": self._tls,
            "authority": Certificates.shared().to_pem() if self._tls or self.hosts is not None else None,
            "display_name": self.display_name,
            "first_number": self._first_number,
            "settings": {name: getattr(self.inspection, name) for name in _SETTINGS},
        }
        return ServerFactory(f"{__package__}.remote_worker:make_stub", (), options)
