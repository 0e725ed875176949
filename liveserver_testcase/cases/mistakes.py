"""Mistakes in a test class that Python and unittest pass over in silence: misspelt names, coroutines nobody awaits."""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from ..errors import UsageError
from .failure_text import raise_at

__all__ = ["check_class", "refuse_coroutine", "suggest_attribute"]

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
    settings = [name for base in _ours(case) for name, value in vars(base).items() if not _is_code(value)]
    hooks = [name for name in _HOOKS if hasattr(case, name)]
    for base in case.__mro__:
        if base in _ours(case) or base is unittest.TestCase or base is object:
            continue
        for name, value in vars(base).items():
            if _is_code(value):
                if name == "run":
                    _check_run(case, base, value)
                _check_hook(case, base, name, hooks)
                _check_awaited(case, base, name, value)
            elif name.startswith(_PREFIXES) and not any(name in vars(own) for own in _ours(case)):
                for nearest in _find_nearest(name, settings):
                    raise UsageError(
                        f"{base.__name__}.{name} = {value!r} is no setting, and would do nothing: did you mean "
                        f"{nearest}? If it is an attribute of your own, give it another name."
                    )


def _check_hook(case: type, base: type, name: str, hooks: Iterable[str]) -> None:
    if name in hooks or name.startswith("test"):
        return
    for nearest in _find_nearest(name, hooks):
        is_overridden = any(nearest in vars(other) for other in case.__mro__ if _is_users(other))
        if _is_users(base) and not is_overridden:
            raise UsageError(
                f"{base.__name__}.{name}() is never called: did you mean {nearest}()? "
                "If it is a method of your own, give it another name."
            )


def _check_awaited(case: type, base: type, name: str, value: object) -> None:
    if not _is_users(base):
        return
    awaits, function = issubclass(case, _isolated()), getattr(value, "__func__", value)
    derive = f"derive {case.__name__} from unittest.IsolatedAsyncioTestCase too"
    if name in _AWAITED and not awaits:
        raise UsageError(f"{base.__name__}.{name}() is never called: {derive}")
    if name in _NOT_AWAITED and inspect.iscoroutinefunction(function):
        renamed = _NOT_AWAITED[name]
        advice = "write it without async"
        if renamed:
            advice += f", or {'' if awaits else f'{derive}, and '}name it {renamed}()"
        raise UsageError(f"{base.__name__}.{name}() is a coroutine function, and nobody awaits it: {advice}")


def _check_run(case: type, base: type, run: object) -> None:
    """Refuse a ``run()`` that comes before ours and calls no other, such as that of ``testtools.TestCase``."""
    code = getattr(run, "__code__", None)
    is_before = case.__mro__.index(base) < case.__mro__.index(_ours(case)[-1])
    # what has a closure may well call another one
    if is_before and code is not None and not code.co_freevars and "super" not in code.co_names:
        raise UsageError(
            f"{base.__module__}.{base.__name__}.run() calls no super().run(), so that the servers of {case.__name__} "
            f"would not be asked about its tests: name the mixins before {base.__name__}"
        )


def _isolated() -> type | tuple[()]:
    """The class whose tests are awaited, if it was ever imported: that takes 20 ms."""
    module = sys.modules.get("unittest.async_case")
    return module.IsolatedAsyncioTestCase if module is not None else ()


def _ours(case: type) -> list[type]:
    return [base for base in case.__mro__ if base.__module__.partition(".")[0] == _PACKAGE]


def _is_users(base: type) -> bool:
    """Whether a class is neither ours nor one of unittest's."""
    return base is not object and base.__module__.partition(".")[0] not in (_PACKAGE, "unittest")


def _is_code(value: object) -> bool:
    return callable(value) or hasattr(value, "__get__")


def _find_nearest(name: str, known: Iterable[str], alike: float = _ALIKE) -> Iterator[str]:
    """The one that was meant, if there is one: ``createApp`` for ``create_app`` too."""
    from difflib import get_close_matches  # seldom needed

    plain = {_simplify(each): each for each in known}
    yield from (plain[each] for each in get_close_matches(_simplify(name), plain, 1, alike))


def _simplify(name: str) -> str:
    return name.replace("_", "").lower()


# -- in a test ---------------------------------------------------------------------------------------------------------


def refuse_coroutine(case: unittest.TestCase) -> None:
    """Have a test fail that is a coroutine function in a class that awaits none; it would pass without running."""
    name = case.id().rpartition(".")[2]
    method = getattr(case, name, None)
    if method is None or not inspect.iscoroutinefunction(method) or _awaits_tests(type(case)):
        return
    setattr(case, name, _make_refusal(type(case), name, method))


def _awaits_tests(case: type) -> bool:
    """Whether a base runs tests in its own way, as `unittest.IsolatedAsyncioTestCase` does."""
    bases = [base for base in case.__mro__ if base is not unittest.TestCase and base not in _ours(case)]
    return any(name in vars(base) for base in bases if base is not object for name in _RUNS_TESTS)


def _make_refusal(case: type, name: str, method: Callable[..., object]) -> Callable[..., NoReturn]:
    @functools.wraps(method)
    def refuse(*_: object) -> NoReturn:
        text = (
            f"{case.__name__}.{name}() is a coroutine function, and nobody awaits it: "
            f"derive {case.__name__} from unittest.IsolatedAsyncioTestCase too, or write it without async"
        )
        raise raise_at(method, UsageError(text))

    return refuse


def suggest_attribute(case: unittest.TestCase, error: BaseException) -> str:
    """Name the attribute that was meant, where Python did not find one on the test."""
    if not isinstance(error, AttributeError) or getattr(error, "obj", None) is not case:
        return ""
    known = [name for name in dir(type(case)) if not name.startswith("_")]
    return "".join(f"did you mean self.{nearest}?" for nearest in _find_nearest(error.name or "", known, _RATHER_ALIKE))
