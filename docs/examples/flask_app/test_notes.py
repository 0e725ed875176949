"""The notebook over a live port, with a database in memory that tests and server share."""

from __future__ import annotations

import unittest

from flask import Flask, url_for
from notes import Note, create_app, db
from sqlalchemy.pool import StaticPool

from liveserver_testcase import LiveServerTestCase

IN_MEMORY = {
    "SQLALCHEMY_DATABASE_URI": "sqlite://",
    "SQLALCHEMY_ENGINE_OPTIONS": {
        "poolclass": StaticPool,  # one connection for all threads: another one would have a database of its own
        "connect_args": {"check_same_thread": False},
    },
}


class NotesTest(LiveServerTestCase):
    """What a reader and a writer of notes see."""

    @classmethod
    def create_app(cls) -> Flask:
        return create_app({**IN_MEMORY, "SECRET_KEY": "tests only", "LONGEST_NOTE": 20})

    def setUp(self) -> None:
        context = self.live_server.app.app_context()
        context.push()
        self.addCleanup(context.pop)
        db.create_all()
        self.addCleanup(db.engine.dispose)
        self.addCleanup(db.drop_all)
        self.addCleanup(db.session.remove)

    def log_in(self, name: str = "Ann") -> None:
        self.live.post("/login", data={"name": name}).raise_for_status()

    def test_what_the_test_writes_the_server_shows(self) -> None:
        db.session.add(Note(author="Ann", text="buy tea"))
        db.session.commit()

        self.assertEqual(self.live.get("/notes").json(), ["buy tea"])

    def test_what_the_server_writes_the_test_finds(self) -> None:
        self.log_in("Ann")

        answer = self.live.post("/notes", data={"text": "buy tea"})

        self.assertEqual(answer.status_code, 201)
        note = db.session.execute(db.select(Note)).scalar_one()
        self.assertEqual((note.author, note.text), ("Ann", "buy tea"))

    def test_only_who_is_signed_in_may_write(self) -> None:
        self.assertEqual(self.live.post("/notes", data={"text": "buy tea"}).status_code, 401)
        self.log_in()
        self.assertEqual(self.live.post("/notes", data={"text": "buy tea"}).status_code, 201)

    def test_the_configuration_of_this_class(self) -> None:
        self.log_in()
        self.assertEqual(self.live.post("/notes", data={"text": "a" * 21}).status_code, 413)

    def test_an_endpoint_by_its_name(self) -> None:
        db.session.add(Note(author="Ann", text="buy tea"))
        db.session.commit()

        url = self.live_url_for("show", number=1)

        self.assertEqual(url, self.live_url("/notes/1"))
        self.assertEqual(self.live.get(url).text, "Ann: buy tea")

    def test_a_link_outside_of_a_request(self) -> None:
        with self.live_server.request_context():
            link = url_for("show", number=1, _external=True)

        self.assertEqual(link, self.live_url("/notes/1"))

    def test_the_first_page_leads_to_the_notes(self) -> None:
        answer = self.live.get("/", allow_redirects=False)

        self.assertEqual((answer.status_code, answer.headers["Location"]), (302, "/notes"))
        self.assertEqual(self.live.get("/").url, self.live_url("/notes"))

    def test_a_stream(self) -> None:
        db.session.add_all([Note(author="Ann", text="buy tea"), Note(author="Bob", text="drink it")])
        db.session.commit()

        self.assertEqual(self.live.get("/export").text.splitlines(), ["Ann\tbuy tea", "Bob\tdrink it"])

    def test_a_mistake_that_is_known(self) -> None:
        with self.assertLogs("notes", "ERROR"), self.expectLiveErrors(ZeroDivisionError) as expected:
            answer = self.live.get("/average")

        self.assertEqual(answer.status_code, 500)
        self.assertEqual(str(expected.errors[0]), "division by zero")


class PropagatingNotesTest(NotesTest):
    """The same with ``TESTING``, with which Flask lets exceptions through and logs none."""

    @classmethod
    def create_app(cls) -> Flask:
        app = super().create_app()
        app.testing = True
        return app

    def test_a_mistake_that_is_known(self) -> None:
        with self.expectLiveErrors(ZeroDivisionError):
            self.assertEqual(self.live.get("/average").status_code, 500)


class LinkingNotesTest(NotesTest):
    """The same where links are built in an application context alone, as a worker does that sends emails."""

    @classmethod
    def create_app(cls) -> Flask:
        app = super().create_app()
        app.config["SERVER_NAME"] = "{}:{}".format(*cls.live_server.address)
        return app

    def test_a_link_in_an_email(self) -> None:
        self.assertEqual(url_for("show", number=1, _external=True), self.live_url("/notes/1"))


if __name__ == "__main__":
    unittest.main()
