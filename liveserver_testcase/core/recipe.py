"""What another process needs to know to make a server there: something importable, and its arguments."""

from __future__ import annotations

import pickle
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

from ..errors import UsageError

__all__ = ["Recipe"]

_ADVICE = "Give a function or class at the top level of a module, or an import string such as 'package.module:name'"


@dataclass(frozen=True)
class Recipe:
    """A call that makes something in another process.

    Attributes:
        make: What is called there: importable by its module and name, or an import string ``package.module:name``.
        arguments: Its positional arguments, to be pickled.
        options: Its keyword arguments, to be pickled.
        early: Modules that are imported there before anything of ours: an application may want to be the first.
    """

    make: Callable[..., Any] | str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    early: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """The recipe pickled.

        Raises:
            UsageError: Something in it cannot be found in, or sent to, another process.
        """
        for value in (self.make, *self.arguments, *self.options.values()):
            reason = explain_unreachable(value)
            if reason:
                raise UsageError(f"a process of its own cannot get at {value!r}: {reason}. {_ADVICE}.")
        try:
            return pickle.dumps(self)
        except Exception as error:
            raise UsageError(
                f"what is sent to the server's process cannot be pickled ({type(error).__name__}: {error}). {_ADVICE}, "
                "and arguments that are plain values."
            ) from error

    def call(self) -> Any:
        """Make it here."""
        make = pkgutil.resolve_name(self.make) if isinstance(self.make, str) else self.make
        return make(*self.arguments, **self.options)

    def modules(self) -> dict[str, str]:
        """The modules that the other process needs first, each with its file ('' if it has none), in order."""
        owners = [_owner(value) for value in (self.make, *self.arguments, *self.options.values())]
        names = [*self.early, *(owner.__module__ for owner in owners if owner is not None)]
        return {
            name: getattr(sys.modules.get(name), "__file__", None) or ""
            for name in names
            if name not in ("builtins", "__main__") and not name.startswith(f"{__package__.partition('.')[0]}.")
        }

    @property
    def needs_main(self) -> bool:
        """Whether it refers to something of the script that this process runs."""
        values = (self.make, *self.arguments, *self.options.values())
        return any(owner is not None and owner.__module__ == "__main__" for owner in map(_owner, values))


def _owner(value: object) -> Any:
    """The class or function in whose module ``value`` is found; None for a plain value."""
    if isinstance(value, MethodType):
        value = value.__self__ if isinstance(value.__self__, type) else value.__func__
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return value
    return None


def explain_unreachable(value: object) -> str:
    """Why another process cannot import a class, function or class method; empty if it can, or it is none of these."""
    owner = _owner(value)
    if owner is None:
        return ""
    module = sys.modules.get(owner.__module__)
    where, _, name = owner.__qualname__.rpartition(".")
    if name == "<lambda>":
        return "it is a lambda, which has no name"
    if where.endswith("<locals>"):
        return f"it is defined inside of {where.rpartition('.')[0]}()"
    if owner.__module__ == "__main__" and not getattr(module, "__file__", None):
        return "it is defined in an interactive session, or in code that came from no file"
    found: Any = module
    for part in owner.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not owner and getattr(found, "__func__", found) is not owner:
        return f"{owner.__module__}.{owner.__qualname__} is something else by now"
    return ""
