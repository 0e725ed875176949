"""Stacks as text, without the stretches that say nothing to their reader."""

from __future__ import annotations

import os
import re

__all__ = ["fold_stack", "is_libraries"]

_ENTRY = re.compile(r'^ *File "(?P<file>[^"]+)", line \d+.*\n(?:(?! *File ") +.*\n)*', re.MULTILINE)
_PACKAGE = re.compile(r"[/\\](?:site|dist)-packages[/\\](?P<name>[^/\\.]+)")
_LIBRARY = os.path.dirname(os.__file__)
_LEAST = 3  # entries in a row that are worth a fold


def fold_stack(stack: str) -> str:
    """Fold the entries of installed packages and of the standard library, where several come in a row.

    The last entry of a stack stays: it is what is being waited for.

    Args:
        stack: As `traceback` formats it.
    """
    text = stack if stack.endswith("\n") else f"{stack}\n"
    entries = list(_ENTRY.finditer(text))
    folded: list[str] = []
    row: list[re.Match[str]] = []
    end = 0
    for number, entry in enumerate(entries):
        between = text[end : entry.start()]
        is_last = number + 1 == len(entries) or text[entry.end() : entries[number + 1].start()] != ""
        if between:
            folded += [*_fold(row), between]
            row = []
        if _owner(entry["file"]) and not is_last:
            row.append(entry)
        else:
            folded += [*_fold(row), entry[0]]
            row = []
        end = entry.end()
    return "".join([*folded, *_fold(row), text[end:]])


def is_libraries(file: str) -> bool:
    """Whether a source file is an installed package's, or of the standard library."""
    return bool(_owner(file))


def _fold(row: list[re.Match[str]]) -> list[str]:
    """The entries of a row, or one line for them all."""
    if len(row) < _LEAST:
        return [entry[0] for entry in row]
    owners = ", ".join(dict.fromkeys(_owner(entry["file"]) for entry in row))
    indent = row[0][0][: len(row[0][0]) - len(row[0][0].lstrip())]
    return [f"{indent}… {len(row)} frames of {owners}\n"]


def _owner(file: str) -> str:
    """The package that a file belongs to, or ``Python``; empty for one of the user's own."""
    found = _PACKAGE.search(file)
    if found is not None:
        return found["name"]
    return "Python" if file.startswith((_LIBRARY, "<frozen")) else ""
