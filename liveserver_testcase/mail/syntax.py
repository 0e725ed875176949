"""Commands of SMTP and their answers: text in, meaning out; pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

__all__ = ["EXTENSIONS", "HTTP_VERBS", "Refused", "Reply", "decode_line", "parse_path", "read_size", "strip_line"]

HTTP_VERBS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PRI", "PUT", "TRACE"))
"""What a browser, or whoever misuses one, would begin with."""

EXTENSIONS = {
    "SIZE": "SIZE",
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
    "AUTH": "AUTH",
}
"""The extension that each parameter of MAIL and RCPT is from."""

_MAIL_ONLY = frozenset(("SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"))
_VALUES = {"BODY": ("7BIT", "8BITMIME"), "RET": ("FULL", "HDRS")}

# FROM:<path> parameters; a source route in front of the mailbox is dropped, as RFC 5321, appendix F.2, says
_PATH = re.compile(
    r"(?i:(FROM|TO))\s*:\s*"
    r"(?:<(?:@[^\s:>]*:)?(?P<path>(?:\"(?:[^\"\\]|\\.)*\"|[^\s<>\"])*)>|(?P<bare>[^\s<>]+))"
    r"(?P<options>(?:\s.*)?)",
)
_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:=[^\s=]*=*)?")


class Reply(NamedTuple):
    """What a server says: a code of three digits and a text, of several lines perhaps."""

    code: int
    text: str

    def to_wire(self) -> bytes:
        """The bytes of it."""
        if "\n" not in self.text:
            return f"{self.code} {self.text}\r\n".encode()
        *first, last = self.text.split("\n")
        return "".join([*(f"{self.code}-{line}\r\n" for line in first), f"{self.code} {last}\r\n"]).encode()


class Refused(Exception):
    """A command cannot be understood, or not now; it carries the answer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.reply = Reply(code, text)


def strip_line(line: bytes) -> bytes:
    """A line without its end.

    Raises:
        Refused: It does not end with CRLF, or there is a carriage return inside.  Whoever takes those for ends of lines
            can be made to see a mail where there is none.
    """
    if not line.endswith(b"\r\n"):
        raise Refused(500, "5.5.2 A line ends with a bare line feed; wanted carriage return and line feed")
    line = line[:-2]
    if b"\r" in line:
        raise Refused(500, "5.5.2 There is a bare carriage return in the line")
    return line


def decode_line(line: bytes, utf8: bool) -> str:
    """A line as text.

    Raises:
        Refused: It is not printable, or not in the encoding that was agreed upon.
    """
    try:
        text = line.decode("utf-8" if utf8 else "ascii")
    except UnicodeDecodeError:
        if utf8:
            raise Refused(500, "5.5.2 The command is not in UTF-8") from None
        raise Refused(553, "5.6.7 The command is not in ASCII, and SMTPUTF8 is not offered") from None
    if not text.isprintable():
        raise Refused(500, "5.5.2 There are control characters in the command")
    return text


def parse_path(argument: str, word: str, extensions: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The address and the parameters of ``MAIL FROM:<address> NAME=value …``, as they were written.

    Args:
        argument: What follows the command.
        word: ``FROM`` or ``TO``.
        extensions: Those that are offered: their parameters are allowed.

    Returns:
        The address, empty for ``<>``; and the parameters, their letters in the case in which they came.

    Raises:
        Refused: It is nothing like that, or a parameter is not known.
    """
    match = _PATH.fullmatch(argument)
    if match is None or match[1].upper() != word:
        raise Refused(501, f"5.5.4 Syntax: {'MAIL FROM' if word == 'FROM' else 'RCPT TO'}:<address>")
    address = match["path"] if match["path"] is not None else match["bare"]
    options = tuple(match["options"].split())
    for option in options:
        _check_option(option, word, extensions)
    if not address.isascii() and not (word == "TO" or any(option.upper() == "SMTPUTF8" for option in options)):
        raise Refused(553, "5.6.7 The address is not in ASCII, and MAIL has no parameter SMTPUTF8")
    return address, options


def _check_option(option: str, word: str, extensions: Collection[str]) -> None:
    name, _, value = option.partition("=")
    name = name.upper()
    known = EXTENSIONS.get(name) in extensions and (name in _MAIL_ONLY) == (word == "FROM")
    if not known or not _OPTION.fullmatch(option):
        raise Refused(555, f"5.5.4 Unsupported parameter: {option}")
    wanted = _VALUES.get(name)
    if wanted and value.upper() not in wanted:
        raise Refused(501, f"5.5.4 {name} is {value or 'empty'}; wanted {' or '.join(wanted)}")


def read_size(options: tuple[str, ...]) -> int:
    """How large a mail is going to be, by the parameter ``SIZE=``; 0 if it does not say.

    Raises:
        Refused: That is no number.
    """
    for option in options:
        name, _, value = option.partition("=")
        if name.upper() == "SIZE":
            if not (value.isascii() and value.isdigit() and len(value) <= 20):
                raise Refused(501, f"5.5.4 SIZE is {value or 'empty'}; wanted a number of bytes")
            return int(value)
    return 0
