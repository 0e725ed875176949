"""The documents that the tests of OpenAPI share."""

from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "NAMES", "make_document", "make_operation"]

FOLDER = Path(__file__).parent / "documents"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".yaml", ".json"))


def make_document(paths: dict[str, Any], *, version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    """A document with these paths."""
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}


def make_operation(content: dict[str, Any] | None = None, *, status: str = "", **more: Any) -> dict[str, Any]:
    """An operation with one response: of 200 with this content, or of 204 without any."""
    response = {"description": ""} if content is None else {"description": "", "content": content}
    return {"responses": {status or ("200" if content is not None else "204"): response}, **more}
