"""The table of servers: who takes part, under which name, and what each one needs."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks import http_servers as http
from benchmarks import mail_servers as mail
from benchmarks import process_servers as process

Kind = Literal["http", "mail", "process", "tls"]

OURS = "ours"
OUR_STUB = "ours-stub"
OUR_TLS = "ours-tls"
OUR_ASGI = "ours-asgi"
OUR_PROCESS = "ours-spawn"
OUR_MAIL = "ours-mail"
#: What ratios are taken to.
REFERENCE = "pytest-httpserver"
UVICORN = "uvicorn"
#: What the machine can do.
NGINX = "nginx"
#: The loop that ours runs on, too.
UVICORN_ASYNCIO = "uvicorn-asyncio"
MAIL_REFERENCE = "aiosmtpd"


@dataclass(frozen=True)
class Server:
    """One server that takes part.

    Attributes:
        name: Its name in tables and on the command line.
        make: Makes a new `Adapter`, which starts and stops it once.
        modules: Modules that must be importable.
        program: A program that must be installed, if any.
        kind: What it speaks.
        threaded: It runs in threads of the test's own process, as a test uses it; others have a
            process to themselves and take part only where that can be compared.
        limit: It is no tool for tests but shows what the machine can do.
    """

    name: str
    make: Callable[[], http.Adapter]
    modules: tuple[str, ...] = ()
    program: str | None = None
    kind: Kind = "http"
    threaded: bool = True
    limit: bool = False

    def missing(self) -> str | None:
        """Say what is not installed, or None when it can run."""
        for module in self.modules:
            if importlib.util.find_spec(module) is None:
                return f"module {module} is not installed"
        if self.program and shutil.which(self.program) is None:
            return f"program {self.program} is not installed"
        return None


SERVERS: tuple[Server, ...] = (
    Server(OURS, http.Ours, ("liveserver_testcase",)),
    Server(OUR_STUB, http.OursStub, ("liveserver_testcase",)),
    Server(OUR_TLS, http.OursTLS, ("liveserver_testcase", "trustme"), kind="tls"),
    Server(OUR_ASGI, http.OursASGI, ("liveserver_testcase", "uvicorn")),
    Server(REFERENCE, http.PytestHTTPServer, ("pytest_httpserver",)),
    Server("pytest-httpserver-threaded", http.PytestHTTPServerThreaded, ("pytest_httpserver",)),
    Server("pytest-localserver", http.PytestLocalserver, ("pytest_localserver",)),
    Server("pytest-flask", http.PytestFlask, ("pytest_flask", "flask"), threaded=False),
    Server("django", http.Django, ("django",)),
    Server("werkzeug", http.Werkzeug, ("werkzeug",)),
    Server("cheroot", http.Cheroot, ("cheroot",)),
    Server("waitress", http.Waitress, ("waitress",)),
    Server(UVICORN, http.Uvicorn, ("uvicorn", "httptools", "uvloop")),
    Server(UVICORN_ASYNCIO, http.UvicornAsyncio, ("uvicorn", "httptools")),
    Server(NGINX, http.Nginx, program="nginx", threaded=False, limit=True),
    Server(OUR_PROCESS, process.OursSpawned, ("liveserver_testcase", "flask"), kind="process", threaded=False),
    Server(
        "pytest-flask-process",
        process.PytestFlaskApp,
        ("pytest_flask", "flask"),
        kind="process",
        threaded=False,
    ),
    Server(OUR_MAIL, mail.OurMail, ("liveserver_testcase",), kind="mail"),
    Server(MAIL_REFERENCE, mail.Aiosmtpd, ("aiosmtpd",), kind="mail"),
    Server(
        "pytest-localserver-mail",
        mail.PytestLocalserverMail,
        ("pytest_localserver", "aiosmtpd"),
        kind="mail",
    ),
    Server("smtpdfix", mail.Smtpdfix, ("smtpdfix", "aiosmtpd"), kind="mail"),
)


def server(name: str) -> Server:
    """Look a server up by its name.

    Raises:
        KeyError: No server has this name.
    """
    for candidate in SERVERS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"no server {name!r}; there are {', '.join(s.name for s in SERVERS)}")
