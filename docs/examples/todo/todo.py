"""A list of things to do, over HTTP."""

from flask import Flask, request


def create_app():
    app = Flask(__name__)
    app.config["ITEMS"] = items = []

    @app.post("/items")
    def add():
        items.append(request.get_json()["text"])
        return {"number": len(items)}, 201

    @app.get("/items/<int:number>")
    def show(number):
        return {"text": items[number - 1]}

    return app
