"""Find an application by its import string, and its interface, WSGI or ASGI, by how it can be called."""

from __future__ import annotations

import contextlib
import functools
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..core.interrupts import TimeLimitExceeded, time_limit
from ..core.text import describe_error, quote
from ..core.tracebacks import fold_stack
from ..errors import ServerStartError, UsageError

__all__ = ["configured_port", "detect_interface", "load_app"]

_WANTED = "wanted (environ, start_response) of WSGI, or (scope, receive, send) of ASGI"
_OWN_SERVERS = ("aiohttp", "tornado")  # the frameworks that only their own servers can serve
_KNOWS_MARKS = hasattr(inspect, "markcoroutinefunction")
_ASGI_2 = (
    "is of ASGI 2: it is called with (scope), and what that returns with (receive, send). "
    "Make it ASGI 3 with asgiref.compatibility.guarantee_single_callable()."
)
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
    target: Callable[..., Any] = app  # what runs when it is called: of an object its ``__call__``, bound
    if not isinstance(app, type | functools.partial) and not inspect.isroutine(app):
        target = app.__call__
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):  # written in C, or with a __signature__ that is none
        raise UsageError(f"the application {quote(app)} does not say what arguments it takes. {_SAY}") from None
    signature = inspect.Signature([each.replace(annotation=each.empty) for each in parameters])  # which may be long
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    required = sum(each.default is each.empty for each in places)
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    first = places[0].name if places else ""
    library = type(app).__module__.partition(".")[0]
    is_async = _is_async(target)
    if first != "self" and library not in _OWN_SERVERS:
        if _takes(signature, 3) and (required == 3 or is_async or first == "scope"):
            return "asgi"
        if _takes(signature, 2) and required == 2 and not is_async:
            return "wsgi"

    # It is neither: say why, and what to do.
    # a class in the manner of ASGI 2 is made of a scope, and called with receive and send
    is_second_half = isinstance(app, type) and any(
        inspect.iscoroutinefunction(vars(kind).get("__call__")) for kind in app.__mro__
    )
    factory = f"can be called without arguments, {signature}" if places else "takes no arguments"
    reasons = (
        (
            library in _OWN_SERVERS,
            f"is neither WSGI nor ASGI: {library} has an HTTP server of its own, which must serve it",
        ),
        (first == "self", "takes self: it is a method of an object that there is not; hand over a plain function"),
        (
            required == 0 and not takes_any,
            f"{factory}; {_WANTED}. Is it a factory? Hand over what it returns, or 'module:factory()'.",
        ),
        (not is_async and ((required == 1 and first == "scope") or is_second_half), _ASGI_2),
        (required == 0, f"takes any arguments, {signature}, so it could be either. {_SAY}"),
        (isinstance(app, type), f"is a class, and takes {signature}; {_WANTED}. Hand over an object of it. {_SAY}"),
        (
            required == 1 and not is_async,
            f"takes {signature}; {_WANTED}. Is it a factory? Hand over what it returns. {_SAY}",
        ),
        (True, f"{'awaits' if is_async else 'takes'} {signature}; {_WANTED}. {_SAY}"),
    )
    raise UsageError(f"the application {quote(app)} {next(reason for is_so, reason in reasons if is_so)}")


def _takes(signature: inspect.Signature, count: int) -> bool:
    """Whether it can be called with so many positional arguments, and nothing else."""
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


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
    try:
        with contextlib.nullcontext() if timeout is None else time_limit(timeout):
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
    try:
        target = pkgutil.resolve_name(f"{module}:")
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is None or not f"{module}.".startswith(f"{missing}."):  # it is there, and cannot be imported
            raise ServerStartError(
                f"{text!r} cannot be loaded: importing {module} raised {describe_error(error)}"
            ) from error
        raise UsageError(
            f"{text!r} cannot be loaded: there is no module {missing!r}. "
            "Is its directory in sys.path, and the tests run from the project's root?"
        ) from error
    reached = module
    for name in path.split("."):
        try:
            target = getattr(target, name)
        except AttributeError as error:
            import difflib  # costs a millisecond that no passing test needs

            known = [each for each in dir(target) if not each.startswith("_")]
            near = difflib.get_close_matches(name, known, 1)
            advice = f": did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"{text!r} cannot be loaded: {reached} has no attribute {name!r}{advice}") from error
        reached = f"{reached}.{name}"
    if not call:
        return target
    if not callable(target):
        raise UsageError(f"{text!r} cannot be loaded: {reached} is {target!r}, which cannot be called")
    try:
        return target()
    except Exception as error:
        raise ServerStartError(f"{text!r} cannot be loaded: {path}() raised {describe_error(error)}") from error


def configured_port(app: Any) -> int:
    """The port that the application's configuration asks for: ``config["LIVESERVER_PORT"]``; 0 for none."""
    config = getattr(app, "config", None)
    port = config.get("LIVESERVER_PORT") if isinstance(config, Mapping) else None
    if port is None:
        return 0
    if isinstance(port, bool) or not isinstance(port, int | str) or not str(port).isdigit():
        raise UsageError(f"the application's config['LIVESERVER_PORT'] is {port!r}; wanted a whole number, 0 or more")
    return int(port)
