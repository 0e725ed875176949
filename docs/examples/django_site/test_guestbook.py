"""The guest book over a live port."""

from __future__ import annotations

import os
import unittest
from contextlib import AbstractContextManager
from typing import Any

# first of all: it sets Django up
from guestbook.testing import SiteTestCase, setUpModule, tearDownModule  # noqa: F401  # isort: skip

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from guestbook.asgi import application
from guestbook.models import Entry

from liveserver_testcase import RequestRecord


class GuestbookTest(SiteTestCase):
    """What guests write and read."""

    stream = "/stream"

    def write(self, name: str, text: str) -> int:
        """Write as a browser does that has the form's page; returns the status."""
        self.live.get("/entries")
        entry = {"name": name, "text": text, "csrfmiddlewaretoken": self.live.cookies["csrftoken"]}
        return self.live.post("/entries", entry, headers={"Referer": self.live_url("/entries")}).status_code

    def test_what_the_test_writes_the_server_shows(self) -> None:
        Entry.objects.create(name="Ann", text="lovely")

        self.assertEqual(self.live.get("/entries").json(), [{"name": "Ann", "text": "lovely"}])

    def test_what_the_server_writes_the_test_finds(self) -> None:
        self.assertEqual(self.write("Ann", "lovely"), 201)
        self.assertEqual(Entry.objects.get().name, "Ann")

    def test_each_test_begins_with_an_empty_database(self) -> None:
        self.assertEqual(self.live.get("/entries").json(), [])

    def test_the_first_page_leads_to_the_entries(self) -> None:
        self.assertEqual(self.live.get("/").url, self.live_url("/entries"))

    def test_a_stream_that_reads_from_the_database(self) -> None:
        Entry.objects.create(name="Ann", text="lovely")
        Entry.objects.create(name="Bob", text="so-so")

        self.assertEqual(self.live.get(self.stream).text, "Ann: lovely\nBob: so-so\n")

    def test_an_asynchronous_view(self) -> None:
        Entry.objects.create(name="Ann", text="lovely")

        self.assertEqual(self.live.get("/later").text, "1")

    def test_static_files(self) -> None:
        answer = self.live.get("/static/guestbook/style.css")

        self.assertEqual((answer.status_code, answer.headers["Content-Type"]), (200, "text/css"))

    def test_a_mistake_that_is_known(self) -> None:
        with self.expectLiveErrors(ValueError):
            self.assertEqual(self.live.get("/longest").status_code, 500)

    @override_settings(GUESTBOOK_IS_CLOSED=True)
    def test_settings_of_one_test_reach_the_server(self) -> None:
        self.assertEqual(self.write("Ann", "lovely"), 403)
        self.assertFalse(Entry.objects.exists())

    def test_both_clients_see_one_site(self) -> None:
        self.client.post("/entries", {"name": "Ann", "text": "lovely"})

        self.assertEqual(self.live.get("/entries").json(), self.client.get("/entries").json())


class AsyncGuestbookTest(GuestbookTest):
    """The same, served by ASGI."""

    stream = "/stream-later"

    @classmethod
    def create_app(cls) -> Any:
        return ASGIStaticFilesHandler(application)


class SecureGuestbookTest(GuestbookTest):
    """The same over TLS."""

    live_tls = True


@unittest.skipUnless(os.environ.get("GUESTBOOK_TEST_DATABASE"), "a database in memory belongs to one process")
class ProcessTest(SiteTestCase):
    """The site in a process of its own, with the path of the test's database."""

    live_mode = "process"

    @classmethod
    def create_app(cls) -> Any:
        settings.ALLOWED_HOSTS += ["127.0.0.1"]  # there: what the test overrides stays here
        return super().create_app()

    @classmethod
    def setUpClass(cls) -> None:
        cls.live_env = {"GUESTBOOK_DATABASE": connection.settings_dict["NAME"]}
        super().setUpClass()

    def test_what_the_test_writes_the_server_shows(self) -> None:
        Entry.objects.create(name="Ann", text="lovely")

        self.assertEqual(self.live.get("/entries").json(), [{"name": "Ann", "text": "lovely"}])

    def test_a_mistake_that_is_known(self) -> None:
        with self.expectLiveErrors(ValueError):
            self.assertEqual(self.live.get("/longest").status_code, 500)


class TimeZoneTest(SiteTestCase):
    """Every request is handled in a context of this class's choice."""

    @classmethod
    def live_request_context(cls, request: RequestRecord) -> AbstractContextManager[object]:
        return timezone.override("Europe/Berlin")

    def test_the_time_zone(self) -> None:
        self.assertEqual(self.live.get("/zone").text, "Europe/Berlin")


if __name__ == "__main__":
    unittest.main()
