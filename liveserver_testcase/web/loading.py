"""Find an application by its import string, such as ``shop.wsgi:app``."""

from __future__ import annotations

import pkgutil
import re
from typing import Any

from ..errors import ServerStartError, UsageError

__all__ = ["load_app"]

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_STRING = re.compile(rf"({_NAME}):({_NAME})(\(\))?")


def load_app(text: str) -> Any:
    """Import what an import string names.

    Args:
        text: ``package.module:attribute``; with ``()`` at its end the attribute is called without arguments, and makes
            the application.

    Raises:
        UsageError: It is no import string, or there is no such module or attribute.
        ServerStartError: The module, or the factory, raised something; it is the cause.
    """
    found = _STRING.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{text!r} is no import string; wanted 'package.module:attribute', or 'package.module:factory()'"
        )
    module, path, call = found.groups()
    target = _import(text, module)
    reached = module
    for name in path.split("."):
        try:
            target = getattr(target, name)
        except AttributeError as error:
            raise UsageError(f"{text!r} cannot be loaded: {reached} has no attribute {name!r}") from error
        reached = f"{reached}.{name}"
    if not call:
        return target
    if not callable(target):
        raise UsageError(f"{text!r} cannot be loaded: {reached} is {target!r}, which cannot be called")
    try:
        return target()
    except Exception as error:
        raise ServerStartError(f"{text!r} cannot be loaded: {path}() raised {_name(error)}") from error


def _import(text: str, module: str) -> Any:
    try:
        return pkgutil.resolve_name(f"{module}:")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _failed(text, module, error) from error  # it is there, but something that it imports is not
        raise UsageError(
            f"{text!r} cannot be loaded: there is no module {error.name!r}. "
            "Is its directory in sys.path, and the tests run from the project's root?"
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(text, module, error) from error


def _failed(text: str, module: str, error: BaseException) -> ServerStartError:
    return ServerStartError(f"{text!r} cannot be loaded: importing {module} raised {_name(error)}")


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
