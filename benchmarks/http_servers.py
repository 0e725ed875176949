"""How each HTTP server is started and stopped, in the way that its own documentation gives.

Libraries are imported when a server starts, so that a missing one costs only its own row. Every
server is told to log nothing: writing a line for each request would measure the log.
"""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.apps import BODY, SLEEP, hello, hello_asgi, make_big

HOST = "127.0.0.1"
#: A server that does not come up in this time never will.
PATIENCE = 10.0


class Adapter(ABC):
    """One server, from `start` to `stop`; used once.

    Attributes:
        port: The port that it listens on, known when `start` returns.
    """

    port: int

    @abstractmethod
    def start(self) -> None:
        """Make the server and start it; return when a client may connect."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it as its documentation says."""

    def forget(self) -> None:  # noqa: B027 - only mail servers keep what they are sent
        """Let go of what has been received."""

    def tidy(self) -> None:  # noqa: B027 - most servers leave nothing
        """Take away what `stop` leaves behind; not part of any figure."""


def free_port() -> int:
    """Find a port for a server that cannot bind port 0; another process may take it meanwhile."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def quiet_werkzeug() -> None:
    """Switch off the line that werkzeug logs for each request."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)


class Ours(Adapter):
    """This library with a WSGI application."""

    tls = False

    def start(self) -> None:
        from liveserver_testcase import LiveServer

        self._server = LiveServer(hello, host=HOST, port=0, interface="wsgi", tls=self.tls)
        self._server.start()
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()


class OursTLS(Ours):
    """The same over TLS, with a throw-away certificate."""

    tls = True


class OursASGI(Adapter):
    """This library with an ASGI application, on uvicorn's protocols."""

    def start(self) -> None:
        from liveserver_testcase import LiveServer

        options = {"lifespan": "off"}
        self._server = LiveServer(hello_asgi, host=HOST, port=0, interface="asgi", asgi_options=options)
        self._server.start()
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()


class OursStub(Adapter):
    """The stub of this library, with a reply that one of its expectations matches."""

    def start(self) -> None:
        from liveserver_testcase import HTTPStub

        self._server = HTTPStub(host=HOST, port=0)
        self._server.on("GET", "/").reply(200, BODY, content_type="application/json")
        self._server.on("GET", "/big").reply(200, make_big())
        self._server.on("GET", "/sleep").reply(200, BODY, delay=SLEEP)
        self._server.on().reply(200, BODY)
        self._server.start()
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()


class PytestHTTPServer(Adapter):
    """pytest-httpserver; it serves expectations, no application, so it gets one for each path."""

    threaded = False

    def start(self) -> None:
        from pytest_httpserver import HTTPServer

        quiet_werkzeug()
        self._server = HTTPServer(host=HOST, port=0, threaded=self.threaded)
        self._server.expect_request("/").respond_with_data(BODY, content_type="text/plain")
        self._server.expect_request("/read").respond_with_data(BODY)
        self._server.expect_request("/big").respond_with_data(make_big())
        self._server.expect_request("/sleep").respond_with_handler(self._sleep)
        self._server.start()
        self.port = self._server.port

    @staticmethod
    def _sleep(request: object) -> Any:
        from werkzeug.wrappers import Response

        threading.Event().wait(SLEEP)
        return Response(BODY)

    def stop(self) -> None:
        self._server.stop()


class PytestHTTPServerThreaded(PytestHTTPServer):
    """pytest-httpserver with a thread for each connection."""

    threaded = True


class PytestLocalserver(Adapter):
    """The WSGI server of pytest-localserver."""

    def start(self) -> None:
        from pytest_localserver.http import WSGIServer

        quiet_werkzeug()
        self._server = WSGIServer(HOST, 0, hello)
        self._server.start()
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        self._server.stop()

    def tidy(self) -> None:
        self._server.join(PATIENCE)
        self._server._server.server_close()


class PytestFlask(Adapter):
    """The live server of pytest-flask: a forked process that runs the Flask application."""

    def start(self) -> None:
        import multiprocessing

        from pytest_flask.live_server import LiveServer

        # It hands a local function to the new process, which only a fork can carry over.
        multiprocessing.set_start_method("fork", force=True)
        quiet_werkzeug()
        self.port = free_port()
        self._server = LiveServer(self.make_app(), HOST, self.port, wait=PATIENCE)
        self._server.start()

    def make_app(self) -> Any:
        """Make the application, in this process."""
        from flask import Flask

        app = Flask("benchmarks")
        app.wsgi_app = hello  # type: ignore[method-assign]
        return app

    def stop(self) -> None:
        self._server.stop()

    def tidy(self) -> None:
        self._server._process.join(PATIENCE)


class Django(Adapter):
    """The thread behind Django's LiveServerTestCase, with the tiny application in its handler's place."""

    def start(self) -> None:
        import django
        from django.conf import settings
        from django.test.testcases import LiveServerThread

        if not settings.configured:
            settings.configure(ALLOWED_HOSTS=["*"])
            django.setup()
        self._thread = LiveServerThread(HOST, static_handler=lambda inner: hello)
        self._thread.daemon = True
        self._thread.start()
        self._thread.is_ready.wait(PATIENCE)
        if self._thread.error:
            raise self._thread.error
        self.port = self._thread.port

    def stop(self) -> None:
        self._thread.terminate()


class Uvicorn(Adapter):
    """uvicorn in a thread, by the recipe that its users share; httptools, loop by choice."""

    loop = "uvloop"

    def start(self) -> None:
        import uvicorn

        config = uvicorn.Config(
            hello_asgi,
            host=HOST,
            port=0,
            loop=self.loop,
            http="httptools",
            lifespan="off",
            log_level="critical",
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        latest = time.monotonic() + PATIENCE
        while not self._server.started:
            if time.monotonic() > latest or not self._thread.is_alive():
                raise RuntimeError("uvicorn did not start")
            time.sleep(0.001)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


class UvicornAsyncio(Uvicorn):
    """uvicorn on the event loop of the standard library."""

    loop = "asyncio"


class Cheroot(Adapter):
    """cheroot's WSGI server in a thread."""

    def start(self) -> None:
        from cheroot.wsgi import Server

        self._server = Server((HOST, 0), hello)
        self._server.prepare()
        self.port = self._server.bind_addr[1]
        self._thread = threading.Thread(target=self._server.serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.stop()
        self._thread.join()


class Waitress(Adapter):
    """waitress in a thread; its loop ends when its map of sockets is empty."""

    def start(self) -> None:
        from waitress.server import create_server

        logging.getLogger("waitress").setLevel(logging.CRITICAL)
        self._map: dict[int, Any] = {}
        self._server = create_server(hello, map=self._map, host=HOST, port=0)
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        from waitress.wasyncore import close_all

        # Sockets are closed in the thread that waits for them, not under its feet. It may have done
        # so, woken by something else, before the trigger that is one of them has been pulled.
        with suppress(OSError):
            self._server.trigger.pull_trigger(lambda: close_all(self._map, ignore_all=True))
        self._thread.join()
        self._server.task_dispatcher.shutdown()


class Werkzeug(Adapter):
    """werkzeug's development server, threaded, in a thread."""

    def start(self) -> None:
        from werkzeug.serving import make_server

        quiet_werkzeug()
        self._server = make_server(HOST, 0, hello, threaded=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


NGINX_CONF = """\
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen {host}:{port};
    location / {{ default_type text/plain; return 200 "{body}"; }}
  }}
}}
"""


class Nginx(Adapter):
    """One nginx process that answers a constant: what the machine can do at most."""

    def start(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="benchmarks-nginx-")
        self.port = free_port()
        conf = Path(self._home.name, "nginx.conf")
        conf.write_text(NGINX_CONF.format(host=HOST, port=self.port, body=BODY.decode()))
        self._process = subprocess.Popen(
            ["nginx", "-p", self._home.name, "-c", str(conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        latest = time.monotonic() + PATIENCE
        while not self._accepts():
            if time.monotonic() > latest or self._process.poll() is not None:
                raise RuntimeError("nginx did not start")
            time.sleep(0.01)

    def _accepts(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) == 0

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tidy(self) -> None:
        self._home.cleanup()
