"""The base of the site's live tests: our server, Django's database."""

from __future__ import annotations

import os
from typing import Any

import django
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test import TransactionTestCase, modify_settings
from django.test.utils import setup_databases, setup_test_environment, teardown_databases, teardown_test_environment

from liveserver_testcase import LiveServerTestCase, SharedDatabases

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
