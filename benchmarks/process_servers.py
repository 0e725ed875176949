"""Servers that run a Flask application in a process of its own."""

from __future__ import annotations

from typing import Any

from benchmarks.http_servers import HOST, Adapter, PytestFlask

APP = "benchmarks.flask_app:app"


class OursSpawned(Adapter):
    """Ours, in a fresh interpreter, which imports the application."""

    def start(self) -> None:
        from liveserver_testcase import LiveServer

        self._server = LiveServer(APP, HOST, mode="process")
        self._server.start()
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()


class PytestFlaskApp(PytestFlask):
    """The live server of pytest-flask: a copy of this process, which has imported the application before."""

    def make_app(self) -> Any:
        """The application that the others import."""
        from benchmarks.flask_app import app

        return app
