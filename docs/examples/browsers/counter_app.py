"""A page with a button that counts, for browsers."""

from __future__ import annotations

from flask import Flask, request

PAGE = """<!doctype html>
<title>Counter</title>
<button>count</button> <output>0</output>
<script>
  document.querySelector("button").onclick = async () => {
    const output = document.querySelector("output")
    const answer = await fetch("/count", {method: "POST", body: output.textContent})
    output.textContent = await answer.text()
  }
</script>
"""


def create_app() -> Flask:
    """Make it."""
    app = Flask(__name__)

    @app.get("/")
    def index() -> str:
        return PAGE

    @app.post("/count")
    def count() -> str:
        return str(int(request.get_data(as_text=True)) + 1)

    @app.get("/favicon.ico")
    def favicon() -> tuple[str, int]:
        return "", 204

    return app
