"""What a criterion takes for a match, and how it tells of a mismatch."""

from __future__ import annotations

import re
import unittest
from collections.abc import Callable
from unittest.mock import ANY

from liveserver_testcase.mail.criteria import Criteria, Mismatch
from tests.unit.mail import letter, receive

MAIL = receive(
    "From: Shop <shop@example.com>\n"
    "To: Ann Lee <Ann@Example.com>, bob@example.com\n"
    "Cc: eve@example.com\n"
    "Reply-To: help@example.com\n"
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
    "X-Id: 1\n"
    "X-Id: 2\n"
    "\n"
    "Your code is\n   42, Ann.\n",
    "ann@example.com",
    "bob@example.com",
    "eve@example.com",
    "boss@example.com",
    mail_from="bounce@example.com",
)
BARE = receive("\n", "ann@example.com", mail_from="")
HTML = receive(letter(text="Hi", html="<p>Hi &amp;\n bye</p>"))


class CriterionCase(unittest.TestCase):
    maxDiff = None

    def check(self, wanted: dict[str, object], *reports: str, email: object = MAIL) -> None:
        """The mail has these mismatches with the criteria, and matches only if there are none."""
        criteria = Criteria.build(**wanted)
        found = criteria.mismatches(email)  # type: ignore[arg-type]
        self.assertEqual([mismatch.describe() for mismatch in found], list(reports))
        self.assertEqual(criteria.matches(email), not reports)  # type: ignore[arg-type]


class Addresses(CriterionCase):
    def test_member(self) -> None:
        """A str is one of the addresses."""
        self.check({"to": "bob@example.com"})
        self.check({"cc": "eve@example.com", "reply_to": "help@example.com", "bcc": "boss@example.com"})
        self.check({"recipients": "boss@example.com"})

    def test_no_member(self) -> None:
        """An address that is not there is told with those that are."""
        self.check(
            {"to": "eve@example.com"},
            "to: 'eve@example.com' is not among ['Ann@Example.com', 'bob@example.com']",
        )
        self.check({"cc": "a@x"}, "cc: 'a@x' is wanted, but there is none", email=BARE)

    def test_no_substring(self) -> None:
        """A part of an address is another address."""
        self.check({"cc": "ve@example.com"}, "cc: 've@example.com' is not among ['eve@example.com']")

    def test_as_addresses(self) -> None:
        """Neither display names nor the case of letters count."""
        self.check({"to": "Dr. Ann <ANN@example.COM>"})
        self.check({"from_": "shop@EXAMPLE.com", "mail_from": "<Bounce@example.com>"})

    def test_exactly(self) -> None:
        """A list or tuple is exactly the addresses, in any order."""
        self.check({"to": ["BOB@example.com", "ann@example.com"]})
        self.check({"to": ("Ann <ann@example.com>", "bob@example.com")})
        self.check({"bcc": ["boss@example.com"], "reply_to": ["help@example.com"]})
        self.check({"to": []}, email=BARE)

    def test_not_exactly(self) -> None:
        """A list that is not exactly the addresses is told with what is missing and what is too many."""
        self.check(
            {"to": ["ann@example.com", "eve@example.com"]},
            "to: exactly ['ann@example.com', 'eve@example.com'] is wanted; "
            "missing: ['eve@example.com']; not wanted: ['bob@example.com']",
        )
        self.check(
            {"cc": []},
            "cc: exactly [] is wanted; not wanted: ['eve@example.com']",
        )

    def test_twice(self) -> None:
        """A recipient that is there twice is not exactly one."""
        self.check(
            {"recipients": ["ann@x"]},
            "recipients: exactly ['ann@x'] is wanted; not wanted: ['ann@x']",
            email=receive("\n", "ann@x", "Ann@x"),
        )

    def test_null_sender(self) -> None:
        """An empty mail_from is the null sender, however it is written."""
        for wanted in ("", "<>", None):
            with self.subTest(wanted):
                self.check({"mail_from": wanted}, email=BARE)
        self.check({"mail_from": ""}, "mail_from: '' != 'bounce@example.com'")

    def test_other_sender(self) -> None:
        """Another sender is told beside the one that is wanted."""
        self.check({"from_": "ann@x"}, "from_: 'ann@x' != 'shop@example.com'")
        self.check({"from_": "ann@x"}, "from_: 'ann@x' is wanted, but there is none", email=BARE)


class Texts(CriterionCase):
    def test_subject(self) -> None:
        """A subject is equal after decoding; a part of it is another subject."""
        self.check({"subject": "Grüße"})
        self.check({"subject": "grüße"}, "subject: 'grüße' != 'Grüße'")
        self.check({"subject": "Grü"}, "subject: 'Grü' != 'Grüße'; to search for a part, write re.compile('Grü')")
        self.check({"subject": "x"}, "subject: 'x' is wanted, but there is none", email=BARE)
        self.check({"subject": ""}, email=BARE)

    def test_contained(self) -> None:
        """Text, HTML and body contain what is wanted, runs of white space being one space."""
        self.check({"text": "code is 42", "body": "code\n\nis\t42,"})
        self.check({"html": "Hi &amp; bye"}, email=HTML)

    def test_not_contained(self) -> None:
        """What is not contained is told with the whole of a short text."""
        self.check({"text": "Code is"}, "text: 'Code is' not found in 24 characters:\n| Your code is\n|    42, Ann.")
        self.check({"text": "bye"}, "text: 'bye' not found in 'Hi'", email=HTML)
        self.check({"html": "x"}, "html: 'x' is wanted, but there is none")

    def test_all(self) -> None:
        """Everything in a list is contained; only what is missing is told."""
        self.check({"text": ["42", re.compile(r"Ann\.$"), "code"]}, email=MAIL)
        self.check({"text": ["Hi", "a", re.compile("b")]}, "text: 'a', re.compile('b') not found in 'Hi'", email=HTML)
        self.check({"text": ["a", "b"]}, "text: ['a', 'b'] is wanted, but there is none", email=BARE)

    def test_body_of_html(self) -> None:
        """The body of a mail without text is its HTML as it is read."""
        email = receive("Content-Type: text/html\n\n<p>Good to <b>have</b>&nbsp;you<br>Ann\n")
        self.check({"body": "Good to have you Ann", "html": "<b>"}, email=email)
        self.check({"body": "<b>"}, "body: '<b>' not found in 20 characters:\n| Good to have you\n| Ann", email=email)

    def test_long_line(self) -> None:
        """Long subjects are told as a difference of lines."""
        wanted, got = "a" * 101, "b" * 101
        self.check(
            {"subject": wanted},
            f"subject: they differ so:\n--- wanted\n+++ got\n@@ -1 +1 @@\n-{wanted}\n+{got}",
            email=receive(f"Subject: {got}\n\n"),
        )

    def test_lines(self) -> None:
        """Of several lines the nearest in the text are told as a difference, with two lines around."""
        text = "\n".join(f"line {number}" for number in range(100))
        self.check(
            {"text": "line 57\n  line 58!\nline 59"},
            "text: not found; the nearest lines differ so:\n"
            "--- wanted\n+++ got\n@@ -1,3 +1,7 @@\n"
            "+line 55\n+line 56\n line 57\n-line 58!\n+line 58\n line 59\n+line 60\n+line 61",
            email=receive(letter(text=text)),
        )

    def test_long_fragment(self) -> None:
        """A long line that is not found is told as a difference too, and one that is not so long is not."""
        wanted = "a" * 101
        self.check(
            {"text": wanted},
            f"text: not found; the nearest lines differ so:\n--- wanted\n+++ got\n@@ -1 +1 @@\n-{wanted}\n+Hi",
            email=HTML,
        )
        self.check({"text": wanted[1:]}, f"text: '{wanted[1:]}' not found in 'Hi'", email=HTML)

    def test_lines_without_any(self) -> None:
        """If no line is the same, the difference is from the beginning of the text."""
        self.check(
            {"text": "a\nb"},
            "text: not found; the nearest lines differ so:\n"
            "--- wanted\n+++ got\n@@ -1,2 +1,4 @@\n-a\n-b\n+0\n+1\n+2\n+3",
            email=receive("\n0\n1\n2\n3\n4\n"),
        )

    def test_long_text(self) -> None:
        """A text of more than two thousand characters is cut, and its length told."""
        text = "x" * 900 + "\n" + "y" * 4000
        self.check(
            {"text": "z"},
            "text: 'z' not found in 4,901 characters:\n"
            f"| {'x' * 900}\n| {'y' * 1099}\n[cut: 2,000 of 4,901 characters are shown]",
            email=receive(letter(text=text)),
        )

    def test_escapes(self) -> None:
        """Nothing in a text that was received moves a cursor or turns the direction of writing."""
        email = receive("Subject: =?utf-8?q?=1B[31m=E2=80=AE?=\n\n\x1b[2J\u202e\tx\\\nb\x07\n")
        self.check(
            {"subject": "x", "text": "y"},
            r"subject: 'x' != '\x1b[31m\u202e'",
            "text: 'y' not found in 11 characters:\n" + "| \\x1b[2J\\u202e\\tx\\\n| b\\x07",
            email=email,
        )


class Headers(CriterionCase):
    def test_each(self) -> None:
        """Each header is a criterion, equal to one of its values, its name in any case."""
        self.check({"headers": {"x-id": "2", "Subject": "Grüße"}})

    def test_mismatch(self) -> None:
        """A mismatch names the header."""
        self.check(
            {"headers": {"X-Id": "3", "Subject": "x", "X-None": "1"}},
            "headers['X-Id']: '3' is not among ['1', '2']",
            "headers['Subject']: 'x' != 'Grüße'",
            "headers['X-None']: '1' is wanted, but there is none",
        )

    def test_other_kinds(self) -> None:
        """A header may be a pattern, a predicate on its values, there, or not there."""
        self.check({"headers": {"X-Id": re.compile("^2"), "x-id": ["1", "2"].__eq__, "Subject": ANY, "X-None": None}})
        self.check(
            {"headers": {"Subject": re.compile("x")}},
            "headers['Subject']: re.compile('x') not found in 'Grüße'",
        )
        self.check({"headers": {"Subject": None}}, "headers['Subject']: None is wanted, but it is 'Grüße'")

    def test_empty_header(self) -> None:
        """A header that is there and empty is there."""
        email = receive("X-Id:\n\n")
        self.check({"headers": {"X-Id": ANY}}, email=email)
        self.check({"headers": {"X-Id": ""}}, email=email)
        self.check({"headers": {"X-Id": None}}, "headers['X-Id']: None is wanted, but it is ''", email=email)


class OtherKinds(CriterionCase):
    def test_pattern(self) -> None:
        """A pattern is searched for, in one address at least and in a text as it is."""
        self.check(
            {
                "to": re.compile("^bob@"),
                "from_": re.compile("shop"),
                "subject": re.compile("rü"),
                "text": re.compile(r"is\n   4\d"),
            }
        )

    def test_pattern_not_found(self) -> None:
        """A pattern that is not found is told with where it was looked for."""
        self.check(
            {"to": re.compile("^x", re.IGNORECASE)},
            "to: re.compile('^x', re.IGNORECASE) not found in ['Ann@Example.com', 'bob@example.com']",
        )
        self.check({"subject": re.compile("x")}, "subject: re.compile('x') is wanted, but there is none", email=BARE)

    def test_pattern_that_matches_nothing(self) -> None:
        """A pattern that an empty text has is found in a text that is not there."""
        self.check({"subject": re.compile("^$")}, email=BARE)

    def test_any(self) -> None:
        """ANY wants a value that is not empty."""
        wanted: dict[str, object] = dict.fromkeys(["to", "cc", "from_", "subject", "text"], ANY)
        self.check(wanted)
        self.check(wanted, *(f"{name}: ANY is wanted, but there is none" for name in wanted), email=BARE)

    def test_none(self) -> None:
        """None wants no value, or an empty one."""
        wanted: dict[str, object] = dict.fromkeys(["cc", "from_", "subject", "html"])
        self.check(wanted, email=BARE)
        self.check(
            wanted,
            "cc: None is wanted, but it is ['eve@example.com']",
            "from_: None is wanted, but it is 'shop@example.com'",
            "subject: None is wanted, but it is 'Grüße'",
        )

    def test_predicate(self) -> None:
        """A callable is given the value, and decides by the truth of what it returns."""
        seen: list[object] = []

        def look(answer: object) -> Callable[[object], object]:
            return lambda value: (seen.append(value), answer)[1]

        self.check({"to": look(1), "from_": look("x"), "text": look(True)})
        self.assertEqual(
            seen[:3],
            [["Ann@Example.com", "bob@example.com"], "shop@example.com", "Your code is\n   42, Ann."],
        )

    def test_predicate_false(self) -> None:
        """A predicate that is not true is told by its name and place."""

        def is_short(value: str) -> bool:
            return len(value) < 3

        line = is_short.__code__.co_firstlineno
        self.check(
            {"subject": is_short},
            f"subject: predicate is_short (test_criteria.py:{line}) is not true of 'Grüße'",
        )
        self.check({"subject": "x".__eq__}, "subject: predicate __eq__ is not true of 'Grüße'")

    def test_predicate_raises(self) -> None:
        """What a predicate raises is raised by matches(), and is in the mismatch."""

        def broken(value: str) -> bool:
            raise ValueError("boom \x1b")

        criteria = Criteria.build(subject=broken)
        with self.assertRaisesRegex(ValueError, "^boom \x1b$"):
            criteria.matches(MAIL)
        (mismatch,) = criteria.mismatches(MAIL)
        line = broken.__code__.co_firstlineno
        self.assertEqual(
            mismatch.describe(),
            f"subject: predicate broken (test_criteria.py:{line}) raised ValueError: boom \\x1b on 'Grüße'",
        )
        self.assertIsInstance(mismatch.error, ValueError)

    def test_predicate_is_last(self) -> None:
        """A predicate is asked only about mails that meet every other criterion."""
        asked: list[str] = []
        criteria = Criteria.build(text=lambda text: not asked.append(text), subject="x")
        self.assertFalse(criteria.matches(MAIL))
        self.assertEqual(asked, [])


class AMismatch(unittest.TestCase):
    def test_values(self) -> None:
        """A mismatch has the criterion's name and both values, and no error unless there was one."""
        (mismatch,) = Criteria.build(subject="x").mismatches(MAIL)
        self.assertEqual(
            (mismatch.criterion, mismatch.wanted, mismatch.got, mismatch.error),
            ("subject", "x", "Grüße", None),
        )

    def test_closeness(self) -> None:
        """The nearer a value is to what is wanted, the closer."""

        def closeness(email: object, **wanted: object) -> float:
            (mismatch,) = Criteria.build(**wanted).mismatches(email)  # type: ignore[arg-type]
            self.assertIsInstance(mismatch, Mismatch)
            return mismatch.closeness

        self.assertGreater(closeness(MAIL, subject="Grüße!"), closeness(MAIL, subject="Rechnung"))
        self.assertGreater(closeness(MAIL, to="bobby@example.com"), closeness(MAIL, to="zzz@other"))
        long = receive(letter(text="x " * 500 + "code: 43"))
        self.assertGreater(closeness(long, text="code: 42"), closeness(long, text="bill: 99"))
        self.assertEqual(closeness(MAIL, subject=re.compile("x")), 0.0)
        self.assertEqual(closeness(BARE, to="a@x"), 0.0)


GREETING = receive(letter("Welcome!"))


class TheCriteria(unittest.TestCase):
    def test_all(self) -> None:
        """A mail matches if it meets every criterion."""
        criteria = Criteria.build(to="ann@example.com", subject="Welcome!")
        self.assertTrue(criteria.matches(GREETING))
        self.assertEqual(criteria.mismatches(GREETING), [])

    def test_one_fails(self) -> None:
        """A mail that fails one criterion does not match, and the mismatch is that one."""
        criteria = Criteria.build(to="ann@example.com", subject="Welcome", text="Ann")
        self.assertFalse(criteria.matches(GREETING))
        self.assertEqual([each.criterion for each in criteria.mismatches(GREETING)], ["subject"])

    def test_none(self) -> None:
        """Every mail meets criteria of which there are none."""
        self.assertTrue(Criteria.build().matches(receive(b"")))

    def test_str(self) -> None:
        """Criteria look as they were written."""
        self.assertEqual(
            str(Criteria.build(to=["a@x"], cc=None, text=ANY, headers={"X": "1"})),
            "to=['a@x'], cc=None, text=ANY, headers['X']='1'",
        )

    def test_frozen(self) -> None:
        """Criteria cannot be changed."""
        criteria = Criteria.build(subject="x")
        with self.assertRaises(AttributeError):
            criteria.criteria = ()  # type: ignore[misc]
        self.assertEqual(str(criteria), "subject='x'")
