"""Criteria that compare no text: attachments, TLS, who was logged in, and the test's own predicate."""

from __future__ import annotations

import re
import unittest
from unittest.mock import ANY

from liveserver_testcase import ReceivedEmail, UsageError
from liveserver_testcase.mail.criteria import Criteria
from liveserver_testcase.mail.message import SessionFacts
from tests.unit.mail import letter, mixed, part, receive
from tests.unit.mail.test_criteria import CriterionCase

SHOP = receive(
    mixed(
        part("A: b", "text"),
        part('Content-Type: text/csv; charset=utf-8; name="list [1].csv"', "grün\n  und blau"),
        part('Content-Type: application/pdf; name="inv-7.pdf"\nContent-Disposition: attachment', "%PDF" + "x" * 12_000),
    )
)
LOGO = receive(
    mixed(
        part("Content-Type: text/html", '<img src="cid:logo%40x">'),
        part('Content-Type: image/png; name="logo.png"\nContent-ID: <logo@x>', "PNG"),
        subtype="related",
    )
)
PLAIN = receive(letter())
SECURE = receive(letter(), session=SessionFacts(peer=("127.0.0.1", 5), ehlo="me", tls="TLSv1.3", auth_user="shop"))


class Attachments(CriterionCase):
    def test_name(self) -> None:
        """A str is a glob of a name, or the name itself."""
        for name in ("inv-7.pdf", "*.pdf", "inv-[0-9].pdf", "list [1].csv"):
            with self.subTest(name):
                self.check({"attachment": name}, email=SHOP)

    def test_content_type(self) -> None:
        """A str with a slash is a glob of a content type, in any case of letters."""
        for name in ("application/pdf", "text/*", "Application/PDF", "*/pdf"):
            with self.subTest(name):
                self.check({"attachment": name}, email=SHOP)

    def test_content(self) -> None:
        """Bytes are the whole content, decoded."""
        self.check({"attachment": b"%PDF" + b"x" * 12_000}, email=SHOP)

    def test_mapping(self) -> None:
        """A mapping is one attachment with all of that."""
        for wanted in (
            {"name": "*.csv", "content": "grün und blau"},
            {"name": re.compile("^inv"), "content_type": "application/*", "content": re.compile(rb"^%PDF-?")},
            {"content": re.compile("grün$", re.MULTILINE)},
            {"name": str.isprintable, "content": lambda content: len(content) > 9_999},
        ):
            with self.subTest(wanted):
                self.check({"attachment": wanted}, email=SHOP)

    def test_pattern_and_predicate(self) -> None:
        """A pattern is found in a name, a callable is asked about each attachment."""
        self.check({"attachment": re.compile(r"-\d\.")}, email=SHOP)
        self.check({"attachment": lambda each: each.text.startswith("grün")}, email=SHOP)

    def test_all(self) -> None:
        """Everything in a list is there."""
        self.check({"attachment": ["*.pdf", "*.csv"]}, email=SHOP)

    def test_any_and_none(self) -> None:
        """ANY wants an attachment, None wants none; an inline picture is none, and can be asked for."""
        self.check({"attachment": ANY}, email=SHOP)
        self.check({"attachment": ANY}, "attachment: ANY is wanted, but there is none", email=LOGO)
        self.check({"attachment": None}, email=LOGO)
        self.check({"attachment": "logo.png"}, email=LOGO)
        self.check(
            {"attachment": None},
            "attachment: None is wanted, but there is list [1].csv text/csv 17 bytes, inv-7.pdf application/pdf 12 kB",
            email=SHOP,
        )

    def test_misses(self) -> None:
        """What is not there is told with what is, and of a mapping what each has otherwise."""
        listed = "list [1].csv text/csv 17 bytes, inv-7.pdf application/pdf 12 kB"
        self.check({"attachment": "*.txt"}, f"attachment: '*.txt' is none of: {listed}", email=SHOP)
        self.check({"attachment": "*.txt"}, "attachment: '*.txt' is wanted, but there is none", email=PLAIN)
        self.check(
            {"attachment": ["*.pdf", "*.txt", b"y" * 150]},
            f"attachment: '*.txt' is none of: {listed}; {b'y' * 120!r}… (150 bytes) is none of: {listed}",
            email=SHOP,
        )
        self.check(
            {"attachment": {"name": "*.pdf", "content": b"PDF"}},
            "attachment: {'name': '*.pdf', 'content': b'PDF'} is none of: list [1].csv text/csv 17 bytes "
            "(another name and content), inv-7.pdf application/pdf 12 kB (another content)",
            email=SHOP,
        )
        self.check(
            {"attachment": ["*.pdf", "*.txt"]},
            "attachment: ['*.pdf', '*.txt'] is wanted, but there is none",
            email=PLAIN,
        )

    def test_predicate_raises(self) -> None:
        """What a predicate raises is told with the attachments."""

        def broken(attachment: object) -> bool:
            raise ValueError("boom")

        line = broken.__code__.co_firstlineno
        criteria = Criteria.build(attachment=broken)
        with self.assertRaisesRegex(ValueError, "^boom$"):
            criteria.matches(SHOP)
        self.assertEqual(
            criteria.mismatches(SHOP)[0].describe(),
            f"attachment: predicate broken (test_criteria_kinds.py:{line}) raised ValueError: boom on "
            "list [1].csv text/csv 17 bytes, inv-7.pdf application/pdf 12 kB",
        )

    def test_shown(self) -> None:
        """In a report the criterion looks as it was written, its bytes cut."""
        self.assertEqual(
            str(Criteria.build(attachment=[{"content": b"x" * 150}, "*.pdf"])),
            f"attachment=[{{'content': {b'x' * 120!r}… (150 bytes)}}, '*.pdf']",
        )


class AttachmentMisuse(unittest.TestCase):
    def refuse(self, wanted: object, message: str) -> None:
        with self.assertRaises(UsageError) as caught:
            Criteria.build(attachment=wanted)
        self.assertEqual(str(caught.exception), message)

    def test_nothing(self) -> None:
        """What every attachment is, or none can be, is refused."""
        kinds = (
            "wanted is a glob of the file's name, a content type, its bytes, a compiled pattern, a callable, a mapping "
            "of name, content_type and content, a list of these, unittest.mock.ANY, or None for absent."
        )
        for wanted in ("", b"", {}, [], 5):
            with self.subTest(wanted):
                self.refuse(wanted, f"attachment={wanted!r}; {kinds}")
        self.refuse(["*.pdf", 5], f"attachment=5; {kinds}")

    def test_keys(self) -> None:
        """An unknown key is answered with the nearest, or with all."""
        self.refuse({"nam": "x"}, "attachment={'nam': 'x'} has the unknown key 'nam'; did you mean 'name'?")
        self.refuse({1: "x"}, "attachment={1: 'x'} has the unknown key 1; known are name, content_type, content")

    def test_values(self) -> None:
        """A value that cannot be compared is refused."""
        self.refuse(
            {"name": 5}, "attachment={'name': 5} has 5 for name; wanted is a str, a compiled pattern or a callable."
        )
        self.refuse({"name": b"x"}, "attachment={'name': b'x'} has bytes for name; it is a str.")
        self.refuse(
            re.compile(b"x"), "attachment=re.compile(b'x') has a pattern of bytes for name; compile it from a str."
        )


class TLS(CriterionCase):
    def test_match(self) -> None:
        """True is any version of TLS, False and None none, a str just this one."""
        for wanted in (True, ANY, "TLSv1.3", re.compile(r"1\.[23]")):
            with self.subTest(wanted):
                self.check({"tls": wanted}, email=SECURE)
        for nothing in (False, None):
            with self.subTest(nothing):
                self.check({"tls": nothing}, email=PLAIN)

    def test_miss(self) -> None:
        """What came otherwise is told."""
        self.check({"tls": True}, "tls: True is wanted, but it came without TLS", email=PLAIN)
        self.check({"tls": "TLSv1.2"}, "tls: 'TLSv1.2' is wanted, but it came without TLS", email=PLAIN)
        self.check({"tls": False}, "tls: False is wanted, but it came over TLSv1.3", email=SECURE)
        self.check({"tls": "TLSv1.2"}, "tls: 'TLSv1.2' != 'TLSv1.3'", email=SECURE)
        self.check({"tls": re.compile("x")}, "tls: re.compile('x') not found in 'TLSv1.3'", email=SECURE)

    def test_misuse(self) -> None:
        """What says nothing about TLS is refused."""
        for wanted in (5, "", "yes", "1.3", ["TLSv1.3"], re.compile(b"1")):
            with self.subTest(wanted), self.assertRaises(UsageError) as caught:
                Criteria.build(tls=wanted)
            self.assertEqual(
                str(caught.exception),
                f"tls={wanted!r}; wanted is True or False, a version as in 'TLSv1.3', a compiled pattern, "
                "unittest.mock.ANY, or None for a connection without TLS.",
            )


class TheUser(CriterionCase):
    def test_match(self) -> None:
        """Who was logged in is equal; None is nobody."""
        self.check({"auth_user": "shop"}, email=SECURE)
        self.check({"auth_user": None}, email=PLAIN)

    def test_miss(self) -> None:
        """Somebody else is told."""
        self.check({"auth_user": "ann"}, "auth_user: 'ann' != 'shop'", email=SECURE)
        self.check({"auth_user": "ann"}, "auth_user: 'ann' is wanted, but there is none", email=PLAIN)


class ThePredicate(unittest.TestCase):
    def test_it_gets_the_mail(self) -> None:
        """The predicate decides about the whole mail, together with the other criteria."""
        criteria = Criteria.build(lambda email: len(email.attachments) == 2, subject="")
        self.assertTrue(criteria.matches(SHOP))
        self.assertFalse(criteria.matches(PLAIN))

    def test_it_is_last(self) -> None:
        """It is asked only about mails that meet every other criterion."""
        asked: list[ReceivedEmail] = []
        criteria = Criteria.build(asked.append, subject="x")
        criteria.matches(PLAIN)
        self.assertEqual(asked, [])

    def test_report(self) -> None:
        """It is told by its name and place, and that it is not true of the mail, or what it raised."""

        def is_short(email: ReceivedEmail) -> bool:
            if email is SHOP:
                raise KeyError("x")
            return False

        criteria = Criteria.build(is_short)
        self.assertEqual(
            str(criteria), f"predicate is_short (test_criteria_kinds.py:{is_short.__code__.co_firstlineno})"
        )
        self.assertEqual([each.describe() for each in criteria.mismatches(PLAIN)], ["predicate: is not true of it"])
        self.assertEqual([each.describe() for each in criteria.mismatches(SHOP)], ["predicate: raised KeyError: 'x'"])
        with self.assertRaises(KeyError):
            criteria.matches(SHOP)

    def test_misuse(self) -> None:
        """What is no callable was meant for a keyword; what a coroutine function returns is always true."""

        async def is_short(_mail: object) -> bool:
            return False

        with self.assertRaises(UsageError):
            Criteria.build(subject=is_short)  # type: ignore[arg-type]
        for wanted in ("Welcome", 5, str, is_short):
            with self.subTest(wanted), self.assertRaises(UsageError) as caught:
                Criteria.build(wanted)  # type: ignore[arg-type]
            self.assertRegex(
                str(caught.exception),
                "^the predicate is .*; wanted is a callable that is asked about each email. "
                "Everything else has a name, as in subject='Welcome'.$",
            )
