"""Find an application by its import string, and its interface, WSGI or ASGI, by how it can be called."""

from __future__ import annotations

import functools
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..core.interrupts import TimeLimitExceeded, time_limit
from ..core.text import describe_error, quote
from ..core.tracebacks import fold_stack
from ..errors import ServerStartError, UsageError

__all__ = ["configured_port", "detect_interface", "load_app"]

_WANTED = "wanted (environ, start_response) of WSGI, or (scope, receive, send) of ASGI"
_OWN_SERVERS = ("aiohttp", "tornado")  # the frameworks that only their own servers can serve
_KNOWS_MARKS = hasattr(inspect, "markcoroutinefunction")
_SAY = 'If it is right as it is, say which one: live_interface = "wsgi" or "asgi".'


def detect_interface(app: Any) -> Literal["wsgi", "asgi"]:
    """Find the interface of an application by the arguments that it takes.

    Two are WSGI's ``(environ, start_response)``, three are ASGI's ``(scope, receive, send)``.

    Args:
        app: A function, an object with ``__call__``, a class, a `functools.partial`, or any of these decorated.

    Raises:
        UsageError: It cannot be called, takes something else, or is of ASGI 2.
    """
    if not callable(app):
        raise UsageError(f"the application is {quote(app)}, which cannot be called; {_WANTED}")
    target = _find_target(app)
    try:
        signature = _strip(inspect.signature(target))
    except (TypeError, ValueError):  # written in C, or with a __signature__ that is none
        raise UsageError(f"the application {quote(app)} does not say what arguments it takes. {_SAY}") from None
    arity = _Arity.of(signature)
    is_async = _is_async(target)
    if arity.first == "self" or type(app).__module__.partition(".")[0] in _OWN_SERVERS:
        raise UsageError(_explain(app, signature, arity, is_async))
    if arity.takes(3) and (arity.required == 3 or is_async or arity.first == "scope"):
        return "asgi"
    if arity.takes(2) and arity.required == 2 and not is_async:
        return "wsgi"
    raise UsageError(_explain(app, signature, arity, is_async))


@dataclass
class _Arity:
    """How many positional arguments a callable takes.

    Attributes:
        required: At the least.
        most: At the most; None if there is no end.
        first: The name of the first one.
        is_open: Whether it demands keywords, so that neither interface can call it.
    """

    required: int
    most: int | None
    first: str
    is_open: bool

    @classmethod
    def of(cls, signature: inspect.Signature) -> _Arity:
        parameters = list(signature.parameters.values())
        places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        has_rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        return cls(
            required=sum(p.default is p.empty for p in places),
            most=None if has_rest else len(places),
            first=places[0].name if places else "",
            is_open=not any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters),
        )

    def takes(self, count: int) -> bool:
        """Whether it can be called with so many."""
        return self.is_open and self.required <= count and (self.most is None or self.most >= count)


def _strip(signature: inspect.Signature) -> inspect.Signature:
    """The same without annotations, which may be long."""
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return inspect.Signature(bare)


def _find_target(app: Any) -> Callable[..., Any]:
    """What runs when ``app`` is called: the function itself, or the ``__call__`` of an object, bound."""
    if isinstance(app, type | functools.partial) or inspect.isroutine(app):
        return app
    return app.__call__  # type: ignore[no-any-return]  # bound, so that `self` is no argument


def _is_async(target: Callable[..., Any]) -> bool:
    """Whether calling it gives an awaitable, also where a decorator hides that or a mark shows it."""
    if isinstance(target, type):
        return hasattr(target, "__await__")  # the class of an ASGI application whose instances are the calls
    while isinstance(target, functools.partial):
        target = target.func
    # asyncio knows of functions that were marked before Python 3.12, and is not to be asked from 3.14 on
    asyncio = None if _KNOWS_MARKS else sys.modules.get("asyncio")  # 20 ms to import, and nothing is marked without it
    is_coroutine = inspect.iscoroutinefunction if asyncio is None else asyncio.iscoroutinefunction
    return is_coroutine(target) or is_coroutine(inspect.unwrap(target))


def _explain(app: Any, signature: inspect.Signature, arity: _Arity, is_async: bool) -> str:
    """Why it is neither, and what to do."""
    name = f"the application {quote(app)}"
    arguments = f"{'awaits' if is_async else 'takes'} {signature}"
    library = type(app).__module__.partition(".")[0]
    if library in _OWN_SERVERS:
        return f"{name} is neither WSGI nor ASGI: {library} has an HTTP server of its own, which must serve it"
    if arity.first == "self":
        return f"{name} takes self: it is a method of an object that there is not; hand over a plain function"
    if arity.required == 0 and arity.most is not None:
        told = "takes no arguments" if arity.most == 0 else f"can be called without arguments, {signature}"
        return f"{name} {told}; {_WANTED}. Is it a factory? Hand over what it returns, or 'module:factory()'."
    if (not is_async and arity.required == 1 and arity.first == "scope") or _is_second_half(app, is_async):
        return (
            f"{name} is of ASGI 2: it is called with (scope), and what that returns with (receive, send). "
            "Make it ASGI 3 with asgiref.compatibility.guarantee_single_callable()."
        )
    if arity.most is None and arity.required == 0:
        return f"{name} takes any arguments, {signature}, so it could be either. {_SAY}"
    return f"{name} {arguments}; {_WANTED}. {_SAY}"


def _is_second_half(app: Any, is_async: bool) -> bool:
    """Whether it is a class in the manner of ASGI 2: made of a scope, called with receive and send."""
    if not isinstance(app, type) or is_async:
        return False
    return any(inspect.iscoroutinefunction(vars(kind).get("__call__")) for kind in app.__mro__)


_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_STRING = re.compile(rf"({_NAME}):({_NAME})(\(\))?")


def load_app(text: str, timeout: float | None = None) -> Any:
    """Import what an import string names.

    Args:
        text: ``package.module:attribute``; with ``()`` at its end the attribute is called without arguments, and makes
            the application.
        timeout: Seconds that all of it may take, where that can be bounded; None for no bound.

    Raises:
        UsageError: It is no import string, or there is no such module or attribute.
        ServerStartError: The module, or the factory, raised something, which is the cause, or has not ended.
    """
    if timeout is None:
        return _load(text)
    try:
        with time_limit(timeout):
            return _load(text)
    except TimeLimitExceeded as interrupt:
        raise ServerStartError(
            f"{text!r} is not loaded after {timeout:g} s.\nIt was at\n{fold_stack(interrupt.stack).rstrip()}"
        ) from None


def _load(text: str) -> Any:
    found = _STRING.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{text!r} is no import string; wanted 'package.module:attribute', or 'package.module:factory()'"
        )
    module, path, call = found.groups()
    target = _import(text, module)
    reached = module
    for name in path.split("."):
        try:
            target = getattr(target, name)
        except AttributeError as error:
            raise UsageError(f"{text!r} cannot be loaded: {reached} has no attribute {name!r}") from error
        reached = f"{reached}.{name}"
    if not call:
        return target
    if not callable(target):
        raise UsageError(f"{text!r} cannot be loaded: {reached} is {target!r}, which cannot be called")
    try:
        return target()
    except Exception as error:
        raise ServerStartError(f"{text!r} cannot be loaded: {path}() raised {describe_error(error)}") from error


def _import(text: str, module: str) -> Any:
    try:
        return pkgutil.resolve_name(f"{module}:")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _failed(text, module, error) from error  # it is there, but something that it imports is not
        raise UsageError(
            f"{text!r} cannot be loaded: there is no module {error.name!r}. "
            "Is its directory in sys.path, and the tests run from the project's root?"
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(text, module, error) from error


def _failed(text: str, module: str, error: BaseException) -> ServerStartError:
    return ServerStartError(f"{text!r} cannot be loaded: importing {module} raised {describe_error(error)}")


def configured_port(app: Any) -> int:
    """The port that the application's configuration asks for: ``config["LIVESERVER_PORT"]``; 0 for none."""
    config = getattr(app, "config", None)
    port = config.get("LIVESERVER_PORT") if isinstance(config, Mapping) else None
    if port is None:
        return 0
    if isinstance(port, bool) or not isinstance(port, int | str) or not str(port).isdigit():
        raise UsageError(f"the application's config['LIVESERVER_PORT'] is {port!r}; wanted a whole number, 0 or more")
    return int(port)
