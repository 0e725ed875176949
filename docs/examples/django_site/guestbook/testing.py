"""The base of the site's live tests: our server, Django's database."""

from __future__ import annotations

import os
from typing import Any

import django
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.signals import request_finished, request_started
from django.db import connections
from django.test import TransactionTestCase, modify_settings
from django.test.utils import setup_databases, setup_test_environment, teardown_databases, teardown_test_environment

from liveserver_testcase import LiveServerTestCase

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guestbook.settings")
django.setup()  # ``manage.py test`` has done it already, and then this does nothing

_databases: Any = None


def setUpModule() -> None:
    """Make the test databases where the runner does not: import it into each test module."""
    global _databases
    try:
        setup_test_environment()
    except RuntimeError:  # ``manage.py test`` or pytest-django has made everything
        return
    _databases = setup_databases(verbosity=0, interactive=False)


def tearDownModule() -> None:
    """Destroy them; import it, too."""
    global _databases
    if _databases is not None:
        teardown_databases(_databases, verbosity=0)
        teardown_test_environment()
        _databases = None


class SharedDatabases:
    """Gives every request the test's own connection to a database in memory, and closes all others after it.

    By Django's signals: they are sent in the thread in which the views run, also under ASGI.
    """

    def __init__(self, aliases: Any) -> None:
        databases = {alias: connections[alias] for alias in aliases}
        self.in_memory = {
            alias: connection
            for alias, connection in databases.items()
            if connection.vendor == "sqlite" and connection.is_in_memory_db()
        }

    def start(self) -> None:
        for connection in self.in_memory.values():
            connection.inc_thread_sharing()
        request_started.connect(self.begin_request)
        request_finished.connect(self.end_request)

    def stop(self) -> None:
        request_started.disconnect(self.begin_request)
        request_finished.disconnect(self.end_request)
        for connection in self.in_memory.values():
            connection.dec_thread_sharing()

    def begin_request(self, **_: object) -> None:
        for alias, connection in self.in_memory.items():
            connections[alias] = connection

    def end_request(self, **_: object) -> None:
        connections.close_all()  # Django leaves one in memory open: the database would be gone


@modify_settings(ALLOWED_HOSTS={"append": ["127.0.0.1", "[::1]", "localhost"]})
class SiteTestCase(LiveServerTestCase, TransactionTestCase):
    """A test of the site over a live port."""

    @classmethod
    def create_app(cls) -> Any:
        from .wsgi import application

        return StaticFilesHandler(application)

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        databases = SharedDatabases(cls.databases)
        databases.start()
        cls.addClassCleanup(databases.stop)
