"""Django's test databases, which the threads of a live server see or not."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ..errors import UsageError

__all__ = ["SharedDatabases", "refuse_uncommitted"]


def refuse_uncommitted(case: type) -> None:
    """Refuse a live server beside Django's ``TestCase``, whose data no other thread sees.

    Raises:
        UsageError: The class is one.
    """
    django = sys.modules.get("django.test")
    if django is not None and issubclass(case, django.TestCase):
        raise UsageError(
            f"{case.__name__} is a django.test.TestCase, which never commits: the live server, on connections of its "
            "own, would see nothing of what a test writes. Derive it from django.test.TransactionTestCase, "
            "and see liveserver_testcase.SharedDatabases for a database in memory"
        )


class SharedDatabases:
    """Gives every request the test's own connection to a database in memory, and closes all others after it.

    By Django's signals: they are sent in the thread in which the views run, also under ASGI.  Of databases in files and
    on servers every thread has a connection of its own, which is closed after each request, so that they can be
    destroyed after the tests.

    Start it in ``setUpClass()``, and stop it in a class clean-up.

    Args:
        aliases: The databases of the tests, such as ``cls.databases``.
    """

    def __init__(self, aliases: Iterable[str]) -> None:
        from django.db import connections  # type: ignore[import-not-found,import-untyped,unused-ignore]

        databases = {alias: connections[alias] for alias in aliases}
        self._connections: Any = connections
        self._in_memory = {
            alias: connection
            for alias, connection in databases.items()
            if connection.vendor == "sqlite" and connection.is_in_memory_db()
        }

    def start(self) -> None:
        """Begin to share."""
        from django.core import signals  # type: ignore[import-not-found,import-untyped,unused-ignore]

        for connection in self._in_memory.values():
            connection.inc_thread_sharing()
        signals.request_started.connect(self._begin_request)
        signals.request_finished.connect(self._end_request)

    def stop(self) -> None:
        """Share no more."""
        from django.core import signals  # type: ignore[import-not-found,import-untyped,unused-ignore]

        signals.request_started.disconnect(self._begin_request)
        signals.request_finished.disconnect(self._end_request)
        for connection in self._in_memory.values():
            connection.dec_thread_sharing()

    def _begin_request(self, **_: object) -> None:
        for alias, connection in self._in_memory.items():
            self._connections[alias] = connection

    def _end_request(self, **_: object) -> None:
        self._connections.close_all()  # Django leaves one in memory open: the database would be gone
