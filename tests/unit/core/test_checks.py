"""Unknown keywords name the nearest known one."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable

from liveserver_testcase import HTTPStub, Reply
from liveserver_testcase.core.checks import suggest_keywords


@suggest_keywords
def brew(kind: str = "tea", /, *, sugar: int = 0, minutes: float = 3.0) -> str:
    """Brew."""
    return f"{kind}, {sugar}, {minutes}"


class KeywordsTest(unittest.TestCase):
    """A function whose keywords are suggested."""

    def test_calls(self) -> None:
        """A call that is right is as it was; a slip of the pen is answered with what was meant, or with everything."""
        self.assertEqual("coffee, 2, 3.0", brew("coffee", sugar=2))
        unexpected = "brew() got an unexpected keyword argument"
        for keywords, wanted in (
            ({"suger": 1}, f"{unexpected} 'suger'. Did you mean 'sugar'?"),
            ({"x": 1}, f"{unexpected} 'x'. Known are sugar, minutes"),
            ({"kind": "coffee"}, "brew() takes 'kind' by its position, without its name: brew(kind, …)"),
        ):
            with self.subTest(keywords=keywords), self.assertRaises(TypeError) as caught:
                brew(**keywords)  # type: ignore[arg-type]
            self.assertEqual(wanted, str(caught.exception))

    def test_every_verb_with_keywords_names_the_nearest(self) -> None:
        """On every Python, for the stub, for views of it, for expectations and for holds."""
        stub = HTTPStub()
        expectation = stub.on("GET", "/a")
        calls: dict[str, Callable[..., object]] = {"HTTPStub": HTTPStub, "Reply": Reply}
        for owner in (stub, stub.defaults(), expectation, expectation.hold()):
            for name, function in inspect.getmembers(type(owner), inspect.isfunction):
                kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
                if inspect.Parameter.KEYWORD_ONLY in kinds and not name.startswith("_"):
                    calls[f"{type(owner).__name__}.{name}"] = getattr(owner, name)

        for name, call in calls.items():
            with self.subTest(name=name), self.assertRaises(TypeError) as caught:
                call(xyz=1)
            self.assertIn(
                f"{name.rpartition('.')[2]}() got an unexpected keyword argument 'xyz'", str(caught.exception)
            )
            self.assertIn("Known are ", str(caught.exception))

    def test_the_signature_stays(self) -> None:
        """Editors and documentation see the function as it was written."""
        self.assertEqual(
            "(kind: 'str' = 'tea', /, *, sugar: 'int' = 0, minutes: 'float' = 3.0) -> 'str'",
            str(inspect.signature(brew)),
        )
        self.assertEqual(("brew", "Brew."), (brew.__name__, brew.__doc__))
