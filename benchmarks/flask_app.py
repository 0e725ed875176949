"""The tiny application as a Flask application: what a process that serves it has to import."""

from __future__ import annotations

from flask import Flask

from benchmarks.apps import BODY

app = Flask("benchmarks")


@app.get("/")
def hello() -> bytes:
    """Answer what all answer."""
    return BODY
