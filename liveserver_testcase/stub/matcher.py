"""One thing that is wanted of a request, and how a request differs from it.  Pure: no clock, socket or thread."""

from __future__ import annotations

import abc
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..core.masking import MASK, is_secret, mask
from ..core.text import count, describe_error, one_line, quote
from .differences import Difference
from .values import show

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = ["Matcher", "Mismatch", "make_mismatch"]

_MOST_SHOWN = 5  # differences of one criterion that are shown with their values
_LONG = 60  # characters of a text from which on a diff says more than the two texts


@dataclass(frozen=True)
class Mismatch:
    """How a request differs from a criterion.

    Attributes:
        criterion: Which one, such as ``path``.
        wanted: What it wants, as text.
        got: What the request has, as text.
        hint: What the likely mistake is; may be empty.
        distance: How far this takes the request from what was wanted, for finding the nearest miss.
        where: The place within it, such as ``$.items[0].price``; may be empty.
        details: Further lines, such as a diff.
    """

    criterion: str
    wanted: str
    got: str
    hint: str = ""
    distance: float = 1.0
    where: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        text = f"{self.criterion}{place}: wanted {self.wanted}, got {self.got}"
        return f"{text} ({self.hint})" if self.hint else text


class Matcher(abc.ABC):
    """One thing that is wanted of a request.

    Attributes:
        name: What it looks at, such as ``path``.
        weight: How far a mismatch takes a request from what was wanted; an address weighs more than what is sent to it.
    """

    name: ClassVar[str]
    weight: ClassVar[float] = 1.0

    def make_key(self) -> Hashable | None:
        """The content that it wants, to be looked up by; None if that has to be compared."""
        return None

    @abc.abstractmethod
    def matches(self, request: RecordedRequest) -> bool:
        """Whether ``request`` has it; asked of each request, so it is quick."""

    @abc.abstractmethod
    def explain(self, request: RecordedRequest) -> Mismatch:
        """How ``request``, which does not match, differs; asked for a report only."""

    @abc.abstractmethod
    def describe(self) -> str:
        """What it wants, as text."""

    def compare(self, request: RecordedRequest) -> Mismatch | None:
        """None if ``request`` has it."""
        try:
            return None if self.matches(request) else self.explain(request)
        except Exception as error:  # of a predicate, or of an __eq__, that was made for other values
            return Mismatch(self.name, self.describe(), f"raised {describe_error(error)}", distance=self.weight)


def make_mismatch(criterion: Matcher, found: Sequence[Difference], whole: str = "$") -> Mismatch:
    """The first of the differences, a diff if it is one of long texts, and the next four, each with its values.

    Args:
        criterion: The criterion that is not met.
        found: At least one difference.
        whole: What stands for the whole value, which needs no place.
    """
    first, *rest = map(_without_secrets, found)
    hint = "; ".join(filter(None, [first.hint, count(len(rest), "more difference") if rest else ""]))
    where = "" if first.where == whole else one_line(first.where)
    lines = [_describe_difference(each) for each in rest[: _MOST_SHOWN - 1]]
    if len(rest) >= _MOST_SHOWN:
        lines.append(f"… and {count(len(rest) - _MOST_SHOWN + 1, 'more difference')}")
    distance = 1.0 if is_secret(first.where) else criterion.weight * (1 - 0.5 / (1 + len(found)))
    details = (*_diff(first.texts), *lines)
    return Mismatch(criterion.name, first.wanted, first.got, hint, distance, where, details)


def _without_secrets(difference: Difference) -> Difference:
    if not is_secret(difference.where):
        return difference
    got = "nothing" if difference.got == "nothing" else "another"
    return difference._replace(wanted=MASK, got=got, texts=None)


def _describe_difference(difference: Difference) -> str:
    text = f"at {one_line(difference.where)}: wanted {difference.wanted}, got {difference.got}"
    return f"{text} ({difference.hint})" if difference.hint else text


def _diff(texts: tuple[str, str] | None) -> tuple[str, ...]:
    """The lines that differ, if there are several or the texts are long; without their secrets."""
    if texts is None or (max(map(len, texts)) < _LONG and not any("\n" in text for text in texts)):
        return ()
    # Comparing takes time.  Masked before they are cut into lines, for a secret can have several.
    left, right = (mask(text[:20_000]) for text in texts)
    if left == right:
        return (f"they differ where {MASK} stands, or after 20,000 characters",)
    wanted, got = left.splitlines(), right.splitlines()
    if len(wanted) <= 1 and len(got) <= 1:
        return _diff_line(left, right)
    import difflib  # costs a millisecond that no passing test needs

    lines = list(difflib.unified_diff(wanted, got, "wanted", "got", lineterm="", n=2))
    shown = [quote(line)[1:-1] for line in lines[:20]]
    return (*shown, f"… {len(lines) - 20:,} more lines") if len(lines) > 20 else tuple(shown)


def _diff_line(wanted: str, got: str) -> tuple[str, ...]:
    """Where two long lines part."""
    same = next((i for i, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b), min(len(wanted), len(got)))
    start = max(0, same - 20)
    lead = "…" if start else ""
    return (
        f"they differ from character {same + 1:,} on:",
        f"  wanted {lead}{show(wanted[start : same + 40])}",
        f"  got    {lead}{show(got[start : same + 40])}",
    )
