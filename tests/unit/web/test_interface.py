"""Telling WSGI from ASGI: the frameworks, every way to write a callable, and what to say where it cannot be told."""

from __future__ import annotations

import functools
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


class Frameworks(unittest.TestCase):
    """Real applications of real frameworks."""

    def test_wsgi(self) -> None:
        """Flask, Bottle, and werkzeug's middleware are WSGI."""
        apps = {
            "flask": flask.Flask("x"),
            "bottle": bottle.Bottle(),
            "werkzeug": werkzeug.middleware.dispatcher.DispatcherMiddleware(wsgi_app, {}),
        }
        for name, app in apps.items():
            with self.subTest(framework=name):
                self.assertEqual("wsgi", detect_interface(app))

    def test_asgi(self) -> None:
        """FastAPI, Starlette, Quart, and Starlette's middleware are ASGI."""
        apps = {
            "fastapi": fastapi.FastAPI(),
            "starlette": starlette.applications.Starlette(),
            "quart": quart.Quart("x"),
            "middleware": starlette.middleware.cors.CORSMiddleware(asgi_app),
        }
        for name, app in apps.items():
            with self.subTest(framework=name):
                self.assertEqual("asgi", detect_interface(app))

    def test_django_is_both(self) -> None:
        """Django's two handlers are what their names say."""
        if not settings.configured:
            settings.configure(SECRET_KEY="x")
        django.setup()
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        self.assertEqual("wsgi", detect_interface(WSGIHandler()))
        self.assertEqual("asgi", detect_interface(ASGIHandler()))

    def test_flask_wrapped(self) -> None:
        """A Flask application whose ``wsgi_app`` was replaced is still WSGI, and the bound method is, too."""
        app = flask.Flask("x")
        self.assertEqual("wsgi", detect_interface(app.wsgi_app))
        app.wsgi_app = logged(app.wsgi_app)  # type: ignore[method-assign]
        self.assertEqual("wsgi", detect_interface(app))

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


class Callables(unittest.TestCase):
    """Every way to write one."""

    def assert_is(self, interface: str, app: object) -> None:
        self.assertEqual(interface, detect_interface(app))

    def test_functions(self) -> None:
        """Functions, generator functions and lambdas."""

        def generates(environ: Any, start_response: Any) -> Any:
            yield environ, start_response

        self.assert_is("wsgi", wsgi_app)
        self.assert_is("wsgi", generates)
        self.assert_is("wsgi", lambda e, s: [])
        self.assert_is("asgi", asgi_app)
        self.assert_is("asgi", lambda scope, receive, send: asgi_app(scope, receive, send))  # noqa: PLW0108

    def test_objects(self) -> None:
        """Objects with ``__call__``, and their bound methods."""

        class WSGI:
            def __call__(self, environ: Any, start_response: Any) -> Any: ...

        class ASGI:
            async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

            async def serve(self, scope: Any, receive: Any, send: Any) -> None: ...

        self.assert_is("wsgi", WSGI())
        self.assert_is("asgi", ASGI())
        self.assert_is("asgi", ASGI().serve)

    def test_classes(self) -> None:
        """Classes whose instances are the calls: an iterable of PEP 3333, an awaitable."""

        class Response:
            def __init__(self, environ: Any, start_response: Any) -> None: ...

            def __iter__(self) -> Any: ...

        class Endpoint:
            def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

            def __await__(self) -> Any: ...

        self.assert_is("wsgi", Response)
        self.assert_is("asgi", Endpoint)

    def test_partials(self) -> None:
        """What a partial has bound does not count."""

        def wsgi(config: Any, environ: Any, start_response: Any) -> Any: ...

        async def asgi(config: Any, scope: Any, receive: Any, send: Any) -> None: ...

        self.assert_is("wsgi", functools.partial(wsgi, {}))
        self.assert_is("asgi", functools.partial(asgi, {}))
        self.assert_is("asgi", functools.partial(functools.partial(asgi), {}))

    def test_decorated(self) -> None:
        """A decorator that uses `functools.wraps` hides nothing."""
        self.assert_is("wsgi", logged(wsgi_app))
        self.assert_is("asgi", logged(asgi_app))
        self.assert_is("asgi", logged(logged(asgi_app)))

    def test_more_arguments(self) -> None:
        """Arguments with defaults do not count, unless ASGI needs them."""

        def with_option(environ: Any, start_response: Any, option: Any = None) -> Any: ...

        async def with_options(scope: Any, receive: Any, send: Any, option: Any = None, *, more: Any = 1) -> None: ...

        async def either(scope: Any, receive: Any = None, send: Any = None) -> None: ...

        async def open_ended(scope: Any, *rest: Any) -> None: ...

        self.assert_is("wsgi", with_option)
        self.assert_is("asgi", with_options)
        self.assert_is("asgi", either)
        self.assert_is("asgi", open_ended)

    @unittest.skipUnless(sys.version_info >= (3, 12), "functions can be marked from Python 3.12 on")
    def test_marked(self) -> None:
        """A function that is marked as one of a coroutine is ASGI, also with open arguments."""
        import inspect

        def either(scope: Any, *rest: Any) -> Any: ...

        self.assert_is("asgi", inspect.markcoroutinefunction(either))  # type: ignore[attr-defined,unused-ignore]


class Refusals(unittest.TestCase):
    """What cannot be told, or is neither: the message says what was found and what to do."""

    def assert_refused(self, app: object, message: str) -> None:
        with self.assertRaisesRegex(UsageError, f"^{re.escape(message)}$"):
            detect_interface(app)

    def test_not_callable(self) -> None:
        """What cannot be called, such as a forgotten None or a module."""
        self.assert_refused(None, f"the application is None, which cannot be called; {WANTED}")
        self.assert_refused(sys, f"the application is {sys!r}, which cannot be called; {WANTED}")

    def test_a_factory(self) -> None:
        """A function without arguments is taken for a factory."""

        def create_app() -> object: ...

        self.assert_refused(
            create_app,
            f"the application {create_app!r} takes no arguments; {WANTED}. Is it a factory? Hand over what it "
            "returns, or 'module:factory()'.",
        )

    def test_any_arguments(self) -> None:
        """A callable that takes anything could be either."""
        app = hidden(wsgi_app)
        self.assert_refused(
            app, f"the application {_short(app)} takes any arguments, (*args, **kwargs), so it could be either. {SAY}"
        )
        self.assertRaisesRegex(UsageError, "takes any arguments", detect_interface, mock.MagicMock())

    def test_other_arguments(self) -> None:
        """A callable of one argument, of four, or with a keyword that must be given."""

        async def handler(request: Any) -> None: ...

        def four(a: Any, b: Any, c: Any, d: Any) -> None: ...

        def keyword(environ: Any, start_response: Any, *, option: Any) -> None: ...

        self.assert_refused(handler, f"the application {_short(handler)} awaits (request); {WANTED}. {SAY}")
        self.assert_refused(four, f"the application {_short(four)} takes (a, b, c, d); {WANTED}. {SAY}")
        self.assertRaisesRegex(UsageError, re.escape("*, option)"), detect_interface, keyword)

    def test_two_arguments_and_async(self) -> None:
        """A coroutine function of two arguments is not WSGI."""

        async def app(environ: Any, start_response: Any) -> Any: ...

        self.assertRaisesRegex(UsageError, r"awaits \(environ, start_response\); wanted", detect_interface, app)

    def test_asgi_2(self) -> None:
        """The double callables of ASGI 2, functions and classes, are refused with the way to ASGI 3."""

        def double(scope: Any) -> Any: ...

        class Double:
            def __init__(self, scope: Any) -> None: ...

            async def __call__(self, receive: Any, send: Any) -> None: ...

        for app in (double, Double):
            with self.subTest(app=app):
                self.assert_refused(
                    app,
                    f"the application {_short(app)} is of ASGI 2: it is called with (scope), and what that returns "
                    "with (receive, send). Make it ASGI 3 with asgiref.compatibility.guarantee_single_callable().",
                )

    def test_no_signature(self) -> None:
        """A callable that does not say what it takes."""

        def app(environ: Any, start_response: Any) -> Any: ...

        app.__signature__ = "a secret"  # type: ignore[attr-defined]
        self.assertRaisesRegex(UsageError, "does not say what arguments it takes", detect_interface, app)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
