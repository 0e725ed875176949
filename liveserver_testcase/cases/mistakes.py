"""Mistakes in a test class that Python and unittest pass over in silence: misspelt names, coroutines nobody awaits."""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Iterable
from typing import NoReturn

from ..errors import UsageError
from .failure_text import raise_at

__all__ = ["check_class", "explain_own_settings", "refuse_coroutine", "suggest_attribute"]

__unittest = True
__tracebackhide__ = True

_PREFIXES = ("live_", "stub_", "smtp_", "server_")
_HOOKS = ("create_app", "live_request_context", "configure_stub", "class_servers", "setUpClass", "tearDownClass")
_AWAITED = ("asyncSetUp", "asyncTearDown")  # by IsolatedAsyncioTestCase
_NOT_AWAITED = {"setUp": "asyncSetUp", "tearDown": "asyncTearDown", "tearDownClass": ""}
_RUNS_TESTS = ("__call__", "run", "_callTestMethod")
_PACKAGE = __name__.partition(".")[0]
_ALIKE = 0.87  # how much alike two names are of which one was meant, from 0 to 1
_RATHER_ALIKE = 0.75  # where a name is wrong for certain


def check_class(case: type[unittest.TestCase]) -> None:
    """Refuse what would do nothing, without a word.

    Raises:
        UsageError: An attribute looks like a setting, or a method like a hook, that it is not; a method that nobody
            awaits is a coroutine function; or a base runs tests without what is to be done around them.
    """
    ours = [base for base in case.__mro__ if base.__module__.partition(".")[0] == _PACKAGE]
    others = [base for base in case.__mro__ if base not in ours and base not in (unittest.TestCase, object)]
    users = [base for base in others if base.__module__.partition(".")[0] != "unittest"]
    hooks = [name for name in _HOOKS if hasattr(case, name)]
    for base, name, value in [(each, *member) for each in others for member in vars(each).items()]:
        if not _is_code(value):
            if not name.startswith(_PREFIXES) or any(name in vars(own) for own in ours):
                continue
            nearest = _find_nearest(
                name, (name for own in ours for name, known in vars(own).items() if not _is_code(known))
            )
            if nearest:
                raise UsageError(
                    f"{base.__name__}.{name} = {value!r} is no setting, and would do nothing: did you mean "
                    f"{nearest}? If it is an attribute of your own, give it another name."
                )
        elif base in users:
            nearest = "" if name in hooks or name.startswith("test") else _find_nearest(name, hooks)
            if nearest and not any(nearest in vars(other) for other in users):
                raise UsageError(
                    f"{base.__name__}.{name}() is never called: did you mean {nearest}()? "
                    "If it is a method of your own, give it another name."
                )
            _check_awaited(case, base, name, value)
            if name == "run" and case.__mro__.index(base) < case.__mro__.index(ours[-1]):
                _check_run(case, base, value)


def _check_awaited(case: type, base: type, name: str, value: object) -> None:
    module = sys.modules.get("unittest.async_case")  # it takes 20 ms to import, and who derives from it has done that
    awaits = module is not None and issubclass(case, module.IsolatedAsyncioTestCase)
    derive = f"derive {case.__name__} from unittest.IsolatedAsyncioTestCase too"
    if name in _AWAITED and not awaits:
        raise UsageError(f"{base.__name__}.{name}() is never called: {derive}")
    if name in _NOT_AWAITED and inspect.iscoroutinefunction(getattr(value, "__func__", value)):
        renamed = _NOT_AWAITED[name]
        advice = "write it without async"
        if renamed:
            advice += f", or {'' if awaits else f'{derive}, and '}name it {renamed}()"
        raise UsageError(f"{base.__name__}.{name}() is a coroutine function, and nobody awaits it: {advice}")


def _check_run(case: type, base: type, run: object) -> None:
    """Refuse a ``run()`` that comes before ours and calls no other, such as that of ``testtools.TestCase``."""
    code = getattr(run, "__code__", None)
    # what has a closure may well call another one
    if code is not None and not code.co_freevars and "super" not in code.co_names:
        raise UsageError(
            f"{base.__module__}.{base.__name__}.run() calls no super().run(), so that the servers of {case.__name__} "
            f"would not be asked about its tests: name the mixins before {base.__name__}"
        )


def _is_code(value: object) -> bool:
    return callable(value) or hasattr(value, "__get__")


def _find_nearest(name: str, known: Iterable[str], alike: float = _ALIKE) -> str:
    """The one that was meant, if there is one: ``createApp`` for ``create_app`` too."""
    from difflib import get_close_matches  # seldom needed

    plain = {each.replace("_", "").lower(): each for each in known}
    return next((plain[each] for each in get_close_matches(name.replace("_", "").lower(), plain, 1, alike)), "")


# -- in a test ---------------------------------------------------------------------------------------------------------


def refuse_coroutine(case: unittest.TestCase) -> None:
    """Have a test fail that is a coroutine function in a class that awaits none; it would pass without running."""
    name, kind = case.id().rpartition(".")[2], type(case)
    method = getattr(case, name, None)
    if method is None or not inspect.iscoroutinefunction(method):
        return
    # a base that runs tests in its own way, as `unittest.IsolatedAsyncioTestCase` does, may await them
    plain = (unittest.TestCase, object)
    bases = [base for base in kind.__mro__ if base not in plain and base.__module__.partition(".")[0] != _PACKAGE]
    if any(runs in vars(base) for base in bases for runs in _RUNS_TESTS):
        return

    @functools.wraps(method)
    def refuse(*_: object) -> NoReturn:
        text = (
            f"{kind.__name__}.{name}() is a coroutine function, and nobody awaits it: "
            f"derive {kind.__name__} from unittest.IsolatedAsyncioTestCase too, or write it without async"
        )
        raise raise_at(method, UsageError(text))

    setattr(case, name, refuse)


def explain_own_settings(case: unittest.TestCase) -> list[str]:
    """Name the settings that a test has set on itself, where nothing reads them; it may keep an address there."""
    kind = type(case)
    return [
        f"self.{name} = {value!r} has no effect, for the servers of {kind.__name__} have read it from the class when "
        "they started: write it in the class"
        for name, value in vars(case).items()
        if name.startswith(_PREFIXES)
        and not name.endswith(("_host", "_port"))
        and not _is_code(getattr(kind, name, _is_code))
        and any(name in vars(base) for base in kind.__mro__ if base.__module__.partition(".")[0] == _PACKAGE)
    ]


def suggest_attribute(case: unittest.TestCase, error: BaseException) -> str:
    """Name the attribute that was meant, where Python did not find one on the test."""
    if not isinstance(error, AttributeError) or getattr(error, "obj", None) is not case:
        return ""
    known = [name for name in dir(type(case)) if not name.startswith("_")]
    nearest = _find_nearest(error.name or "", known, _RATHER_ALIKE)
    return f"did you mean self.{nearest}?" if nearest else ""
