"""Mistakes in a test class that Python and unittest pass over in silence: misspelt names, coroutines nobody awaits."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import unittest
from collections.abc import Iterable
from typing import NoReturn

from ..errors import UsageError
from .failure_text import raise_at

__all__ = ["check_class", "explain_own_settings", "find_name", "refuse_coroutine", "suggest_attribute"]

__unittest = True
__tracebackhide__ = True

_PREFIXES = ("live_", "stub_", "smtp_", "server_")
_BEGINNINGS = ("live", "stub", "smtp", "server")
_HOOKS = ("create_app", "live_request_context", "configure_stub", "class_servers", "setUpClass", "tearDownClass")
_OF_A_TEST = {"setup": "setUp", "teardown": "tearDown"}  # so short that only another spelling is a mistake for certain
_OWNERS = (
    ("live(_|$)|(assert(No)?|expect)Live", "LiveServerTestCase"),
    ("stubs?(_|$)|assert(Not)?Request|assertStub", "HTTPStubTestCase"),
    ("smtp(_|$)|outbox$|assert(No)?Emails?|captureEmails", "SMTPTestCase"),
)
_AWAITED = ("asyncSetUp", "asyncTearDown")  # by IsolatedAsyncioTestCase
_NOT_AWAITED = {
    "setUp": "asyncSetUp", "tearDown": "asyncTearDown",
    "tearDownClass": "", "configure_stub": "", "live_request_context": "", "class_servers": "",
}  # fmt: skip
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
            if not name.lower().startswith(_BEGINNINGS) or any(name in vars(own) for own in ours):
                continue
            settings = [name for own in ours for name, known in vars(own).items() if not _is_code(known)]
            if name.startswith(_PREFIXES):
                nearest = _find_nearest(name, settings)
            else:  # liveMode, but not what merely begins like that
                nearest = next(
                    (known for known in settings if _plain(known) == _plain(name) and not name.isupper()), ""
                )
            if nearest:
                raise UsageError(
                    f"{base.__name__}.{name} = {value!r} is no setting, and would do nothing: did you mean "
                    f"{nearest}? If it is an attribute of your own, give it another name."
                )
        elif base in users:
            nearest = "" if name in hooks or name.startswith("test") else _find_nearest(name, hooks)
            meant = _OF_A_TEST.get(_plain(name), name) if name[0] != "_" else name
            if meant != name and _takes_only_self(value) and not _is_called(name, users):
                nearest = meant
            if nearest and not any(nearest in vars(other) for other in users):
                raise UsageError(
                    f"{base.__name__}.{name}() is never called: did you mean {nearest}()? "
                    "If it is a method of your own, give it another name."
                )
            is_hook = name == "configure_stub" and isinstance(value, classmethod) and issubclass(base, ours[-1])
            if is_hook and not any(name in vars(own) for own in ours) and not _is_called(name, users):
                raise UsageError(
                    f"{base.__name__}.{name}() is never called: derive {case.__name__} from HTTPStubTestCase too. "
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
        is_below = any(ours.__module__.partition(".")[0] == _PACKAGE for ours in base.__mro__)
        advice = "write super().run(result) in it" if is_below else f"name the mixins before {base.__name__}"
        raise UsageError(
            f"{base.__module__}.{base.__name__}.run() calls no super().run(), so that the servers of {case.__name__} "
            f"would not be asked about its tests: {advice}"
        )


def _is_code(value: object) -> bool:
    return callable(value) or hasattr(value, "__get__")


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _takes_only_self(method: object) -> bool:
    # what a decorator has made, such as a fixture of pytest, may be called in its own way
    return inspect.isfunction(method) and not hasattr(method, "__wrapped__") and method.__code__.co_argcount == 1


def _is_called(name: str, bases: Iterable[type]) -> bool:
    methods = (getattr(value, "__func__", value) for base in bases for value in vars(base).values())
    return any(name in method.__code__.co_names for method in methods if inspect.isfunction(method))


def _find_nearest(name: str, known: Iterable[str], alike: float = _ALIKE) -> str:
    """The one that was meant, if there is one: ``createApp`` for ``create_app`` too, ``smtp_tsl`` for ``smtp_tls``."""
    from difflib import get_close_matches  # seldom needed

    plain, wanted = {_plain(each): each for each in known}, _plain(name)
    swapped = (wanted[:n] + wanted[n + 1] + wanted[n] + wanted[n + 2 :] for n in range(len(wanted) - 1))
    near = [each for each in swapped if each in plain] or get_close_matches(wanted, plain, 1, alike)
    return plain[near[0]] if near else ""


# -- in a test ---------------------------------------------------------------------------------------------------------


def find_name(case: unittest.TestCase) -> str:
    """The name of the test's method, whatever a class says of its ``id()``."""
    return unittest.TestCase.id(case).rpartition(".")[2]


def refuse_coroutine(case: unittest.TestCase) -> None:
    """Have a test fail that is a coroutine function in a class that awaits none; it would pass without running."""
    name, kind = find_name(case), type(case)
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
    """Name the attribute that was meant, or the mixin that has it, where Python did not find one on the test."""
    if not isinstance(error, AttributeError) or getattr(error, "obj", None) is not case or not error.name:
        return ""
    name, kind = error.name, type(case)
    mixin = next((owner for pattern, owner in _OWNERS if re.match(pattern, name)), "")
    if mixin and name in dir(getattr(sys.modules[_PACKAGE], mixin)) and not hasattr(kind, name):
        return f"self.{name} comes from {mixin}: derive {kind.__name__} from it too"
    nearest = _find_nearest(name, [known for known in dir(kind) if not known.startswith("_")], _RATHER_ALIKE)
    if not nearest:
        return ""
    error.name = None  # else Python adds a suggestion of its own, which may be another one, or private
    return f"did you mean self.{nearest}?"
