"""The documents that the tests of OpenAPI share."""

from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "NAMES", "make_document"]

FOLDER = Path(__file__).parent / "documents"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".yaml", ".json"))


def make_document(paths: dict[str, Any], *, version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    """A document with these paths."""
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}
