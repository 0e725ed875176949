"""Mails that were not meant to be read: nothing raises, and what had to be mended is told."""

from __future__ import annotations

import random
import unittest
from email.message import EmailMessage
from typing import Any

from tests.unit.mail import letter, mixed, part, receive, wire

ACCESSORS = [
    *("subject", "from_", "to", "cc", "bcc", "reply_to", "recipients", "mail_from", "details", "headers"),
    *("text", "html", "body", "attachments", "inline", "defects"),
]
METHODS = ["links", "codes", "keys", "items", "is_multipart", "walk", "__str__", "__repr__", "__len__", "__bool__"]

DEEP_PARTS = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(1200))
DEEP_MAILS = "Content-Type: message/rfc822\n\n" * 1200

# name: a header of a mail that says "Hi", and what there is to say about it
HEADERS: dict[str, Any] = {
    "a Message-ID that Python 3.11 cannot parse": (
        b"Message-ID: <[abc]>",
        "Message-ID header: malformed value '<[abc]>'",
    ),
    "an unknown charset": (b"Content-Type: text/plain; charset=nope", "text/plain part: unknown charset 'nope'"),
    "a charset that is none": (
        b'Content-Type: text/plain; charset="\0/../X"',
        "Content-Type header: the following ASCII non-printables found in header: ['\\x00']",
        "text/plain part: unknown charset '\\x00/../x'",
    ),
    "a multipart without a boundary": (
        b"Content-Type: multipart/mixed",
        "MIME structure: no boundary in multipart",
        "MIME structure: multipart invariant violation",
    ),
    "a boundary that never comes": (
        b"Content-Type: multipart/mixed; boundary=b",
        "MIME structure: start boundary not found",
        "MIME structure: multipart invariant violation",
    ),
    "a multipart that does not end": (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b",
        "MIME structure: close boundary not found",
    ),
    "addresses that are none": (
        b'To: a@@x, Ann Lee\r\nFrom: <\r\nCc: "\r\nReply-To: (',
        "To header: malformed address in 'a@@x, Ann Lee'",
        "From header: malformed address in '<'",
        "Cc header: malformed address in '\"'",
        "Reply-To header: malformed address in '('",
    ),
    "parameters that continue nowhere": (
        b"Content-Type: text/plain; charset*0*=x''%ff; charset*9=q; charset*x*=; *=; =; c*1",
        "Content-Type header: unknown charset 'x'",
        "Content-Type header: bytes outside ASCII that are not UTF-8, read as windows-1252",
        "text/plain part: unknown charset 'ÿ'",
    ),
    "a type that is none": (b'Content-Type: ;;;/// = "', "Content-Type header: malformed value ';;;/// = \"'"),
    "parts nested as deep as may be": (
        wire("".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(100)))[:-2],
        "MIME structure: close boundary not found",
    ),
}
# name: a mail, its text, and what there is to say about it
HOSTILE: dict[str, tuple[bytes, str, list[str]]] = {
    **{name: (header + b"\r\n\r\nHi\r\n", "Hi", defects) for name, (header, *defects) in HEADERS.items()},
    "nothing": (b"", "", []),
    "only line ends": (b"\r\n\r\n\r\n", "\n", []),
    "no empty line": (b"Subject: x\r\nHi there\r\n", "Hi there", ["MIME structure: missing header body separator"]),
    "bytes in headers": (
        b"Subject: \xff\xfe\r\nTo: \xff <\xff@x>\r\nContent-Type: text/\xff; name=\xff\r\n\r\nHi\r\n",
        "",
        [
            f"{name} header: bytes that are not UTF-8, read as windows-1252"
            for name in ("Subject", "To", "Content-Type")
        ],
    ),
    "a multipart in base64": (
        wire("Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nHi\n--b--"),
        "Hi",
        ["MIME structure: invalid multipart content transfer encoding"],
    ),
    "a NUL in every place": (
        b"Subject: a\0b\r\nTo: a\0@x\r\nContent-Type: text/plain; name=\0\r\n\r\nH\0i\r\n",
        "H\0i",
        [
            f"{name} header: the following ASCII non-printables found in header: ['\\x00']"
            for name in ("To", "Content-Type")
        ],
    ),
    "parts nested without end": (
        wire(DEEP_PARTS + "\nHi\n"),
        DEEP_PARTS.partition("\n\n")[2] + "\nHi",
        ["MIME structure: could not be read (RecursionError)"],
    ),
    "mails nested without end": (wire(DEEP_MAILS + "\nHi\n"), "", []),
    "parts nested deeper than anybody does": (
        wire("".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(101)) + "\nHi\n"),
        "",
        ["MIME structure: parts nested deeper than 100", "MIME structure: close boundary not found"],
    ),
}


class HostileMail(unittest.TestCase):
    def test_each(self) -> None:
        """No accessor raises, what can be read is the text, and what had to be mended is listed."""
        for name, (raw, text, defects) in HOSTILE.items():
            email = receive(raw)
            for accessor in ACCESSORS:
                with self.subTest(name, accessor=accessor):
                    getattr(email, accessor)
            for method in METHODS:
                with self.subTest(name, method=method):
                    list(found) if not isinstance(found := getattr(email, method)(), int) else None
            with self.subTest(name):
                self.assertEqual(receive(raw).text, text)
                self.assertCountEqual(receive(raw).defects, defects)


PIECES = [
    b"=?utf-8?q?", b"?=", b"=?utf-8?b?", b"\xff", b"\x80", b"\0", b"\xf0\x9f\x98\x80", b"+2AA-", b"=", b"=3D",
    b"--b", b"--b--", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b"From ", b":", b";", b",", b'"', b"\\",
    b"<", b">", b"(", b")", b"@", b"*0*=", b"''%ff", b"charset=", b"base64", b"boundary=b", b"Content-Type: ",
    b"message/rfc822", b"multipart/mixed; boundary=b", b"\r\nContent-Transfer-Encoding: base64\r\n", b"To: ",
    b"utf-7", b"utf-16", b"hz", b"iso-2022-jp", b"unicode_escape", b"rot13", b"idna", b"undefined", b"Subject: ",
]  # fmt: skip


def sound_mails() -> list[bytes]:
    rich = letter(
        "Grüße aus Köln, " * 8, '"Doe, Ann" <ann@x>, Bob <bob@x>', "Hällo\nAnn\n", "<p>Hällo", {"für.pdf": b"\0\1" * 50}
    )
    rich["Cc"] = "Team: a@b, c@d;"
    forwarded = EmailMessage()
    forwarded.set_content("in")
    rich.add_attachment(forwarded)
    return [
        receive(rich).raw,
        receive(letter(text="code: 42\n" * 9)).raw,
        mixed(part("Content-Type: text/plain; charset=utf-8", "ü"), part("Content-Type: message/rfc822", "A: b\n\nc")),
        "Subject: ünï\r\nTo: jörg@bücher.example\r\n\r\nübergröße\r\n".encode(),
    ]


def mutated(chance: random.Random, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(chance.randint(1, 12)):
        place, kind = chance.randrange(len(data) + 1), chance.random()
        if kind < 0.45:
            data[place:place] = chance.choice(PIECES)
        elif kind < 0.6:
            del data[place : place + chance.randint(1, 40)]
        elif kind < 0.8:
            data[place : place + 1] = bytes([chance.randrange(256)])
        else:
            other = chance.randrange(len(data) + 1)
            data[place:place] = data[other : other + chance.randint(1, 60)]
    return bytes(data)


class DamagedMail(unittest.TestCase):
    def test_mutated_mails(self) -> None:
        """No accessor raises on fifteen hundred damaged mails, and every text can be printed."""
        chance, mails = random.Random(5), sound_mails()
        for number in range(1500):
            raw = mutated(chance, chance.choice(mails))
            email = receive(raw)
            try:
                seen = [getattr(email, accessor) for accessor in ACCESSORS]
                seen += [getattr(email, method)() for method in METHODS]
                "".join([email.text, email.html, email.subject, *email.to, repr(email), repr(seen)]).encode()
            except Exception as error:
                raise AssertionError(f"mail {number} raised: {raw!r}") from error
