"""A chat room: what is posted is kept, and heard by everybody who listens."""

import contextlib

import fastapi
from fastapi import FastAPI, Request, WebSocket
from pydantic import BaseModel


class Message(BaseModel):
    """What somebody says."""

    author: str
    text: str


@contextlib.asynccontextmanager
async def lifespan(_app):
    """Open the room before the first request comes."""
    yield {"messages": [], "listeners": set()}


app = FastAPI(lifespan=lifespan)


@app.get("/messages")
async def read_messages(request: Request) -> list[Message]:
    """Everything that was said."""
    return request.state.messages


@app.post("/messages", status_code=201)
async def post_message(message: Message, request: Request) -> Message:
    """Say something."""
    if message.author == "":
        raise ValueError("somebody speaks, and nobody knows who")
    request.state.messages.append(message)
    for listener in request.state.listeners:
        await listener.send_json(message.model_dump())
    return message


@app.websocket("/listen")
async def listen(websocket: WebSocket) -> None:
    """Hear what is said from now on."""
    listeners = websocket.state.listeners
    listeners.add(websocket)
    await websocket.accept()
    try:
        while True:
            await websocket.receive_text()
    except fastapi.WebSocketDisconnect:
        listeners.remove(websocket)
