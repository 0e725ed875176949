"""Telling WSGI from ASGI: the frameworks, every way to write a callable, and what to say where it cannot be told."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import bottle
import django
import fastapi
import flask
import quart
import starlette.applications
import starlette.middleware.cors
import werkzeug.middleware.dispatcher
from django.conf import settings

from liveserver_testcase.errors import UsageError
from liveserver_testcase.web.application import detect_interface
from tests.support import run_python

WANTED = "wanted (environ, start_response) of WSGI, or (scope, receive, send) of ASGI"
SAY = 'If it is right as it is, say which one: live_interface = "wsgi" or "asgi".'


def wsgi_app(environ: Any, start_response: Any) -> Any:
    return [environ, start_response]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    pass


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as it should be: it keeps what it wraps in mind."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def hidden(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that hides what it wraps."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Interfaces(unittest.TestCase):
    """What the interface is taken for."""

    def assert_all(self, interface: str, *apps: object) -> None:
        for app in apps:
            with self.subTest(app=app):
                self.assertEqual(interface, detect_interface(app))

    def test_frameworks(self) -> None:
        """Flask, Bottle, Django's WSGI handler and werkzeug's middleware are WSGI; the asynchronous ones are ASGI."""
        if not settings.configured:
            settings.configure(SECRET_KEY="x")
        django.setup()
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        wrapped = flask.Flask("x")
        wrapped.wsgi_app = logged(wrapped.wsgi_app)  # type: ignore[method-assign]
        dispatcher = werkzeug.middleware.dispatcher.DispatcherMiddleware(wsgi_app, {})
        self.assert_all("wsgi", flask.Flask("x"), flask.Flask("x").wsgi_app, wrapped, bottle.Bottle(), dispatcher)
        self.assert_all("wsgi", WSGIHandler())
        self.assert_all("asgi", fastapi.FastAPI(), starlette.applications.Starlette(), quart.Quart("x"), ASGIHandler())
        self.assert_all("asgi", starlette.middleware.cors.CORSMiddleware(asgi_app))

    def test_nothing_is_imported(self) -> None:
        """No framework is imported to tell, and nor is uvicorn."""
        done = run_python(
            """
            import sys
            from liveserver_testcase.web.application import detect_interface
            print(detect_interface(lambda environ, start_response: []))
            print({"flask", "django", "starlette", "uvicorn", "werkzeug"} & set(sys.modules))
            """
        )
        self.assertEqual("wsgi\nset()\n", done.stdout + done.stderr)

    def test_callables(self) -> None:
        """Functions, generators, lambdas, decorated ones, objects, methods, and classes whose instances are calls."""

        def generates(environ: Any, start_response: Any) -> Any:
            yield environ, start_response

        class WSGI:
            def __call__(self, environ: Any, start_response: Any) -> Any: ...

        class ASGI:
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

            async def serve(self, scope: Any, receive: Any, send: Any) -> None: ...

        class Response:
            def __init__(self, environ: Any, start_response: Any) -> None: ...

        class Endpoint:
            def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

            def __await__(self) -> Any: ...

        self.assert_all("wsgi", wsgi_app, generates, lambda e, s: [], logged(wsgi_app), WSGI(), Response)
        self.assert_all("asgi", asgi_app, lambda scope, receive, send: asgi_app(scope, receive, send))  # noqa: PLW0108
        self.assert_all("asgi", logged(logged(asgi_app)), ASGI(), ASGI().serve, Endpoint)

    def test_arguments(self) -> None:
        """What a partial has bound does not count, nor do arguments with defaults, unless ASGI needs them."""

        def wsgi(config: Any, environ: Any, start_response: Any) -> Any: ...

        async def asgi(config: Any, scope: Any, receive: Any, send: Any) -> None: ...

        def with_option(environ: Any, start_response: Any, option: Any = None) -> Any: ...

        async def with_options(scope: Any, receive: Any, send: Any, option: Any = None, *, more: Any = 1) -> None: ...

        async def either(scope: Any, receive: Any = None, send: Any = None) -> None: ...

        async def open_ended(scope: Any, *rest: Any) -> None: ...

        self.assert_all("wsgi", functools.partial(wsgi, {}), with_option)
        self.assert_all("asgi", functools.partial(asgi, {}), functools.partial(functools.partial(asgi), {}))
        self.assert_all("asgi", with_options, either, open_ended)
        if sys.version_info >= (3, 12):  # where a function can be marked as one of a coroutine

            def marked(scope: Any, *rest: Any) -> Any: ...

            self.assert_all("asgi", inspect.markcoroutinefunction(marked))


class Refusals(unittest.TestCase):
    """What cannot be told, or is neither: the message says what was found and what to do."""

    def test_each(self) -> None:
        """What cannot be called, a factory, ASGI 2, other arguments, any arguments, and those that are not told."""

        def create_app() -> object: ...

        def four(a: Any, b: Any, c: Any, d: Any) -> None: ...

        def keyword(environ: Any, start_response: Any, *, option: Any) -> None: ...

        def secretive(environ: Any, start_response: Any) -> Any: ...

        secretive.__signature__ = "a secret"  # type: ignore[attr-defined]

        async def handler(request: Any) -> None: ...

        async def mixed(environ: Any, start_response: Any) -> Any: ...

        def double(scope: Any) -> Any: ...

        class Double:
            def __init__(self, scope: Any) -> None: ...

            async def __call__(self, receive: Any, send: Any) -> None: ...

        factory = "Is it a factory? Hand over what it returns, or 'module:factory()'."
        second = (
            "is of ASGI 2: it is called with (scope), and what that returns with (receive, send). "
            "Make it ASGI 3 with asgiref.compatibility.guarantee_single_callable()."
        )
        any_arguments = "takes any arguments, (*args, **kwargs), so it could be either"
        for app, message in (
            (None, f"is None, which cannot be called; {WANTED}"),
            (sys, f"is {sys!r}, which cannot be called; {WANTED}"),
            (create_app, f"{create_app!r} takes no arguments; {WANTED}. {factory}"),
            (hidden(wsgi_app), f"{any_arguments}. {SAY}"),
            (mock.MagicMock(), f"{any_arguments}. {SAY}"),
            (handler, f"{_short(handler)} awaits (request); {WANTED}. {SAY}"),
            (mixed, f"awaits (environ, start_response); {WANTED}. {SAY}"),
            (four, f"{_short(four)} takes (a, b, c, d); {WANTED}. {SAY}"),
            (keyword, f"takes (environ, start_response, *, option); {WANTED}. {SAY}"),
            (double, f"{_short(double)} {second}"),
            (Double, f"{_short(Double)} {second}"),
            (secretive, f"does not say what arguments it takes. {SAY}"),
        ):
            with self.subTest(app=app):
                with self.assertRaisesRegex(UsageError, rf"^the application (.* )?{re.escape(message)}$"):
                    detect_interface(app)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
