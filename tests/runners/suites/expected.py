"""What a test of these suites must come to, written next to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["ClassError", "Expected", "expect"]

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class Expected:
    """An outcome, and what its report says.

    Attributes:
        outcome: ``passed``, ``failed``, ``error``, ``skipped``, ``expected failure`` or ``unexpected success``.
        says: What stands in the report, in this order.
        conceals: What does not.
    """

    outcome: str
    says: Sequence[str] = ()
    conceals: Sequence[str] = ()


@dataclass(frozen=True)
class ClassError:
    """An error of a class as a whole: set it as ``class_error`` on the class.

    Attributes:
        where: ``setUpClass``, so that no test runs, or ``tearDownClass``.
        says: What stands in the report, in this order.
    """

    where: str
    says: Sequence[str]


def expect(outcome: str, *says: str, conceals: Sequence[str] = ()) -> Callable[[F], F]:
    """Note what the decorated test must come to."""

    def note(function: F) -> F:
        function.expected = Expected(outcome, says, conceals)  # type: ignore[attr-defined]
        return function

    return note
