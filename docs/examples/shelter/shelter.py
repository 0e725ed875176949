"""Cats that look for a home: a FastAPI application that asks a registry about their chips."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException


def create_app(registry: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=registry, timeout=5) as client:
            app.state.registry = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/cats/{chip}")
    async def show(chip: int) -> dict[str, str]:
        answer = await app.state.registry.get(f"/chips/{chip}")
        if answer.status_code == 404:
            raise HTTPException(404, "no such cat")
        return {"name": answer.json()["name"]}

    return app
