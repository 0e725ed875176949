"""Start servers from a shell, print a line for each request and mail, and serve the inspector beside them."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
import threading
import unittest
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from ..core.text import describe_error, escape, one_line
from ..errors import LiveServerTestCaseError, UsageError
from ..mail.server import SMTPServer
from ..stub.server import HTTPStub
from ..web.live import LiveServer
from .feed import Feed, Source, find_sources
from .views import summarize

__all__ = ["main"]

_STOP_TIMEOUT = 0.2  # seconds for requests in flight, so that a stop takes half a second in all
_PULSE = 3600.0  # seconds; who waits for news is woken when there are some
_PROGRAM = "liveserver-testcase"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, that of the command line by default; returns the exit status: 0, or 2 for an error of use."""
    interrupted = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()

    try:
        options = _make_parser().parse_args(arguments)
        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with options.start(options) as sources:
                _serve(sources, options, interrupted)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    except LiveServerTestCaseError as error:
        text, cause = str(error), error.__cause__
        if cause is not None and str(cause) not in text:
            text += f" ({describe_error(cause)})"
        sys.stderr.write(f"{_PROGRAM}: {escape(' '.join(text.split()))}\n")
        return 2
    except BrokenPipeError:  # who reads has gone, as head does
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed
    return 0


# -- the servers of each command ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _start_one(options: argparse.Namespace) -> Iterator[list[Source]]:
    with options.make(options, host=options.host, port=options.port, stop_timeout=_STOP_TIMEOUT) as server:
        yield [Source(options.command, server)]


def _make_live(options: argparse.Namespace, **common: Any) -> LiveServer:
    sys.path.insert(0, os.getcwd())
    return LiveServer(options.app, tls=options.tls or None, capture=True, **common)


def _make_stub(options: argparse.Namespace, **common: Any) -> HTTPStub:
    stub = HTTPStub(tls=options.tls or None, **common)
    for file in options.har:
        stub.load_har(file, strict=False)
    if options.script is not None:
        configure = _load(options.script)
        if not callable(configure):
            raise UsageError(f"{options.script} is {configure!r}; wanted a function that is given the stub")
        with _naming(options.script):
            configure(stub)
    return stub


def _make_smtp(options: argparse.Namespace, **common: Any) -> SMTPServer:
    users = {}
    for user in options.user:
        name, mark, password = user.partition(":")
        if not mark or not name:
            raise UsageError(f"--user is {user!r}; wanted a name and a password, as in ann:secret")
        users[name] = password
    return SMTPServer(tls=options.tls, users=users, accept_any_login=options.accept_any_login, **common)


@contextlib.contextmanager
def _start_all(options: argparse.Namespace) -> Iterator[list[Source]]:
    os.environ.setdefault("LIVESERVER_CAPTURE", "1")
    case = _load(options.test_class)
    if not isinstance(case, type) or not issubclass(case, unittest.TestCase) or not hasattr(case, "class_servers"):
        raise UsageError(f"{options.test_class} is {case!r}; wanted a test class with one of the mixins")
    try:
        with _naming(options.test_class):
            case.setUpClass()
        run = getattr(case, "_class_run", None)
        sources = find_sources((each.name, each.server) for each in (run.servers if run is not None else ()))
        if not sources:
            raise UsageError(f"{options.test_class} has started no server that can be looked at")
        yield sources
    finally:
        case.tearDownClass()
        case.doClassCleanups()


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say whose code it was that raised."""
    try:
        yield
    except LiveServerTestCaseError:
        raise
    except Exception as error:
        raise UsageError(f"{name} has failed") from error


def _load(text: str) -> Any:
    """Load what is named by ``module:attribute`` or ``path/to/file.py:attribute``."""
    place, mark, name = text.rpartition(":")
    if not mark or not name.isidentifier():
        raise UsageError(f"{text!r} names nothing; wanted module:name, or path/to/file.py:name")
    sys.path.insert(0, os.getcwd())
    with _naming(f"the import of {place}"):
        module = _load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    if not hasattr(module, name):
        raise UsageError(f"{place} has no {name!r}")
    return getattr(module, name)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no file {str(path)!r}")
    with contextlib.suppress(ValueError):  # as a test runner would: tests/test_shop.py is tests.test_shop
        parts = path.resolve().relative_to(Path.cwd()).with_suffix("").parts
        if all((Path(*parts[: end + 1]) / "__init__.py").is_file() for end in range(len(parts) - 1)):
            return importlib.import_module(".".join(parts))
    sys.path.insert(0, str(path.resolve().parent))
    return importlib.import_module(path.stem)


# -- the command line --------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_PROGRAM,
        description="Start a server, look at what it is sent, and end it with Ctrl-C.",
        epilog="The first line printed has the server's URL, the next the inspector's.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, make: Callable[..., Any] | None, about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(start=_start_one if make is not None else _start_all, make=make)
        if make is not None:
            command.add_argument("--host", default="127.0.0.1", help="where to listen; 127.0.0.1 by default")
            command.add_argument("--port", type=int, default=0, help="a port; one that is free by default")
        command.add_argument("--inspector-port", type=int, default=0, metavar="PORT", help="the port of the inspector")
        command.add_argument("--no-inspector", action="store_true", help="serve no inspector")
        command.add_argument("--json", action="store_true", help="print a JSON object a line, for programs")
        return command

    live = add("live", _make_live, "Serve a WSGI or ASGI application.")
    live.add_argument("app", help="such as shop.wsgi:app, or shop:make_app()")
    live.add_argument("--tls", action="store_true", help="serve TLS with a throw-away certificate")
    stub = add("stub", _make_stub, "Serve a scripted API; what nothing answers gets 501 and a report.")
    stub.add_argument("script", nargs="?", help="a function that is given the stub, such as stubs.py:configure")
    stub.add_argument("--har", action="append", default=[], metavar="FILE", help="answer as a HAR file has it")
    stub.add_argument("--tls", action="store_true", help="serve TLS with a throw-away certificate")
    smtp = add("smtp", _make_smtp, "Capture all email.")
    smtp.add_argument("--tls", choices=("starttls", "implicit"), help="how to speak TLS")
    smtp.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD", help="who can log in")
    smtp.add_argument("--accept-any-login", action="store_true", help="let everybody log in, with any password")
    everything = add("all", None, "Start the servers of a test class and keep them up.")
    everything.add_argument("test_class", help="such as tests/test_shop.py:ShopTest")
    return parser


# -- while it runs -----------------------------------------------------------------------------------------------------


def _serve(sources: list[Source], options: argparse.Namespace, interrupted: threading.Event) -> None:
    """Print what comes, until somebody has enough."""

    def say(event: dict[str, Any]) -> None:
        sys.stdout.write(f"{json.dumps(event) if options.json else _describe(event)}\n")
        sys.stdout.flush()

    with contextlib.ExitStack() as running:
        for source in sources:
            say({"event": "started", "server": source.name, "kind": source.kind, "url": source.url})
        feed, url, reason = _start_inspector(sources, options, running)
        say({"event": "inspector", "url": url or None, "reason": reason or None})
        failure: list[BaseException] = []

        def follow() -> None:
            try:
                for line in _follow(feed):
                    say({"event": line["kind"], **line})
            except BaseException as error:  # raised where the program waits
                failure.append(error)
                interrupted.set()

        thread = threading.Thread(target=follow, name="feed", daemon=True)
        thread.start()
        while not interrupted.wait(_PULSE):
            pass
        feed.close()
        thread.join(1.0)
        if failure:
            raise failure[0]


def _start_inspector(
    sources: list[Source], options: argparse.Namespace, running: contextlib.ExitStack
) -> tuple[Feed, str, str]:
    """Start the inspector; returns the feed, its URL, and if there is none, why."""
    if options.no_inspector:
        return Feed(sources), "", "there is no inspector"
    try:
        from .pages import Inspector

        inspector = Inspector(sources, title=", ".join(source.name for source in sources), port=options.inspector_port)
    except ImportError:
        return Feed(sources), "", f"for the inspector: pip install '{_PROGRAM}[inspector]'"
    inspector.start()
    running.callback(inspector.stop)
    return inspector.feed, inspector.url, ""


def _follow(feed: Feed) -> Iterator[dict[str, Any]]:
    """Give the summary of each item when it is over, until the feed is closed."""
    version, last = 0, 0
    waiting: set[int] = set()  # numbers of those that are not over
    while True:
        version, items = feed.find(version)
        for item in items:
            is_new = item.number > last
            last = max(last, item.number)
            line = summarize(item)
            if not line.get("is_over", True):
                waiting.add(item.number)
            elif is_new or item.number in waiting:
                waiting.discard(item.number)
                yield line
        if not items and not feed.wait(version, _PULSE):
            return


def _describe(event: dict[str, Any]) -> str:
    """An event as people read it."""
    kind = event["event"]
    if kind == "started":
        return f"{event['server']} server at {event['url']}"
    if kind == "inspector":
        return f"inspector at {event['url']}" if event["url"] else str(event["reason"])
    if kind == "mail":
        what = f"{event['from']} -> {event['to']}: {event['subject']}"
    else:
        what = f"{event['method']} {event['target']} -> {event['status'] or 'no response'}"
        what += f" in {event['seconds'] * 1000:.1f} ms" if event["seconds"] is not None else ""
        what += f" ({event['problem']})" if event["problem"] else ""
    at = datetime.fromtimestamp(event["at"]).strftime("%H:%M:%S")
    return f"{at} {event['server']} {one_line(what)}"
