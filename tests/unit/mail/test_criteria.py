"""What a criterion takes for a match, how a mismatch is worded, and what is refused when criteria are built."""

from __future__ import annotations

import dataclasses
import functools
import re
import unittest
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

from liveserver_testcase import ReceivedEmail, UsageError
from liveserver_testcase.mail.content import shown
from liveserver_testcase.mail.criteria import Criteria, difference, in_full
from liveserver_testcase.mail.message import SessionFacts
from liveserver_testcase.mail.mime import describe_size
from tests.unit.mail import letter, mixed, part, receive

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
    *("ann@example.com", "bob@example.com", "eve@example.com", "boss@example.com"),
    mail_from="bounce@example.com",
)
BARE = receive("\n", "ann@example.com", mail_from="")
HTML = receive(letter(text="Hi", html="<p>Hi &amp;\n bye</p>"))
ONLY_HTML = receive("Content-Type: text/html\n\n<p>Good to <b>have</b>&nbsp;you<br>Ann\n")
SHOP = receive(
    mixed(
        part("A: b", "text"),
        part('Content-Type: text/csv; charset=utf-8; name="list [1].csv"', "grün\n  und blau"),
        part('Content-Type: application/pdf; name="inv-7.pdf"\nContent-Disposition: attachment', "%PDF" + "x" * 12_000),
    )
)
LISTED = "list [1].csv text/csv 17 bytes, inv-7.pdf application/pdf 12 kB"
LOGO = receive(
    mixed(
        part("Content-Type: text/html", '<img src="cid:logo%40x">'),
        part('Content-Type: image/png; name="logo.png"\nContent-ID: <logo@x>', "PNG"),
        subtype="related",
    )
)
PLAIN = receive(letter())
SECURE = receive(letter(), session=SessionFacts(peer=("127.0.0.1", 5), ehlo="me", tls="TLSv1.3", auth_user="shop"))
LONG = "a" * 101
LINES = receive(letter(text="\n".join(f"line {number}" for number in range(100))))


class CriterionTest(unittest.TestCase):
    """Each row is an email, what is wanted of it, and how it differs: it matches where nothing is said."""

    maxDiff = None

    def check(self, *rows: Any) -> None:
        for email, wanted, *reports in rows:
            with self.subTest(wanted=wanted):
                criteria = Criteria.build(**wanted)
                self.assertEqual([mismatch.describe() for mismatch in criteria.mismatches(email)], reports)
                self.assertEqual(criteria.matches(email), not reports)

    def test_addresses(self) -> None:
        """A str is one of the addresses, a list exactly these; names and the case of letters do not count."""
        several = (
            "to: exactly ['ann@example.com', 'eve@example.com'] is wanted; "
            "missing: ['eve@example.com']; not wanted: ['bob@example.com']"
        )
        self.check(
            (MAIL, {"to": "bob@example.com", "cc": "eve@example.com", "reply_to": "help@example.com"}),
            (MAIL, {"bcc": "boss@example.com", "recipients": "boss@example.com"}),
            (MAIL, {"to": "eve@x"}, "to: 'eve@x' is not among ['Ann@Example.com', 'bob@example.com']"),
            (BARE, {"cc": "a@x"}, "cc: 'a@x' is wanted, but there is none"),
            (MAIL, {"cc": "ve@example.com"}, "cc: 've@example.com' is not among ['eve@example.com']"),
            (MAIL, {"to": "Dr. Ann <ANN@example.COM>", "from_": "shop@EXAMPLE.com"}),
            (MAIL, {"to": ["BOB@example.com", "ann@example.com"], "reply_to": ["help@example.com"]}),
            (MAIL, {"to": ("Ann <ann@example.com>", "bob@example.com"), "bcc": ["boss@example.com"]}),
            (BARE, {"to": []}),
            (MAIL, {"to": ["ann@example.com", "eve@example.com"]}, several),
            (MAIL, {"cc": []}, "cc: exactly [] is wanted; not wanted: ['eve@example.com']"),
            (
                receive("\n", "ann@x", "Ann@x"),
                {"recipients": ["ann@x"]},
                "recipients: exactly ['ann@x'] is wanted; not wanted: ['ann@x']",
            ),
        )

    def test_senders(self) -> None:
        """A sender is one address; the null sender is an empty one, however it is written."""
        self.check(
            (MAIL, {"from_": "shop@example.com", "mail_from": "<Bounce@example.com>"}),
            *((BARE, {"mail_from": wanted}) for wanted in ("", "<>", None)),
            (MAIL, {"mail_from": ""}, "mail_from: '' != 'bounce@example.com'"),
            (MAIL, {"from_": "ann@x"}, "from_: 'ann@x' != 'shop@example.com'"),
            (BARE, {"from_": "ann@x"}, "from_: 'ann@x' is wanted, but there is none"),
        )

    def test_subject(self) -> None:
        """A subject is equal after decoding; where a part of it is wanted, the report has what to write."""
        part = "; to search for a part, write re.compile('Grü')"
        diff = f"subject: they differ so:\n--- wanted\n+++ got\n@@ -1 +1 @@\n-{LONG}\n+{'b' * 101}"
        self.check(
            (MAIL, {"subject": "Grüße"}),
            (MAIL, {"subject": "grüße"}, "subject: 'grüße' != 'Grüße'"),
            (MAIL, {"subject": "Grü"}, f"subject: 'Grü' != 'Grüße'{part}"),
            (BARE, {"subject": "x"}, "subject: 'x' is wanted, but there is none"),
            (BARE, {"subject": ""}),
            (receive(f"Subject: {'b' * 101}\n\n"), {"subject": LONG}, diff),
        )

    def test_texts(self) -> None:
        """Text, HTML and body contain what is wanted, white space folded; a list means all of it."""
        found = "not found in 24 characters:\n| Your code is\n|    42, Ann."
        nearest = "text: not found; the nearest lines differ so:\n--- wanted\n+++ got\n"
        around = "+line 55\n+line 56\n line 57\n-line 58!\n+line 58\n line 59\n+line 60\n+line 61"
        around = f"{nearest}@@ -1,3 +1,7 @@\n{around}"
        cut = f"| {'x' * 900}\n| {'y' * 1099}\n[cut: 2,000 of 4,901 characters are shown]"
        cut = f"text: 'z' not found in 4,901 characters:\n{cut}"
        self.check(
            (MAIL, {"text": "code is 42", "body": "code\n\nis\t42,"}),
            (HTML, {"html": "Hi &amp; bye"}),
            (ONLY_HTML, {"body": "Good to have you Ann", "html": "<b>"}),
            (ONLY_HTML, {"body": "<b>"}, "body: '<b>' not found in 20 characters:\n| Good to have you\n| Ann"),
            (
                MAIL,
                {"text": "Code is", "html": "x"},
                f"text: 'Code is' {found}",
                "html: 'x' is wanted, but there is none",
            ),
            (MAIL, {"text": ["42", re.compile(r"Ann\.$"), "code"]}),
            (HTML, {"text": ["Hi", "a", re.compile("b")]}, "text: 'a', re.compile('b') not found in 'Hi'"),
            (BARE, {"text": ["a", "b"]}, "text: ['a', 'b'] is wanted, but there is none"),
            # several lines, or a long one: those that are nearest, with two around
            (LINES, {"text": "line 57\n  line 58!\nline 59"}, around),
            (HTML, {"text": LONG}, f"{nearest}@@ -1 +1 @@\n-{LONG}\n+Hi"),
            (HTML, {"text": LONG[1:]}, f"text: '{LONG[1:]}' not found in 'Hi'"),
            (receive("\n0\n1\n2\n3\n4\n"), {"text": "a\nb"}, f"{nearest}@@ -1,2 +1,4 @@\n-a\n-b\n+0\n+1\n+2\n+3"),
            (receive(letter(text="x" * 900 + "\n" + "y" * 4000)), {"text": "z"}, cut),
            # nothing that was received moves a cursor or turns the direction of writing
            (
                receive("Subject: =?utf-8?q?=1B[31m=E2=80=AE?=\n\n\x1b[2J\u202e\tx\\\nb\x07\n"),
                {"subject": "x", "text": "y"},
                r"subject: 'x' != '\x1b[31m\u202e'",
                "text: 'y' not found in 11 characters:\n| \\x1b[2J\\u202e\\tx\\\n| b\\x07",
            ),
        )

    def test_headers(self) -> None:
        """Each header is a criterion of its own: equal to one of its values, its name in any case of letters."""
        empty = receive("X-Id:\n\n")
        self.check(
            (MAIL, {"headers": {"x-id": "2", "Subject": "Grüße"}}),
            (
                MAIL,
                {"headers": {"X-Id": "3", "Subject": "x", "X-None": "1"}},
                "headers['X-Id']: '3' is not among ['1', '2']",
                "headers['Subject']: 'x' != 'Grüße'",
                "headers['X-None']: '1' is wanted, but there is none",
            ),
            (MAIL, {"headers": {"X-Id": re.compile("^2"), "x-id": ["1", "2"].__eq__, "Subject": ANY, "X-None": None}}),
            (
                MAIL,
                {"headers": {"Subject": re.compile("x")}},
                "headers['Subject']: re.compile('x') not found in 'Grüße'",
            ),
            (MAIL, {"headers": {"Subject": None}}, "headers['Subject']: None is wanted, but it is 'Grüße'"),
            (empty, {"headers": {"X-Id": ANY}}),
            (empty, {"headers": {"X-Id": ""}}),
            (empty, {"headers": {"X-Id": None}}, "headers['X-Id']: None is wanted, but it is ''"),
        )

    def test_patterns(self) -> None:
        """A pattern is searched for, in one address at least, and in a text as it is."""
        self.check(
            (MAIL, {"to": re.compile("^bob@"), "from_": re.compile("shop"), "subject": re.compile("rü")}),
            (MAIL, {"text": re.compile(r"is\n   4\d")}),
            (
                MAIL,
                {"to": re.compile("^x", re.IGNORECASE)},
                "to: re.compile('^x', re.IGNORECASE) not found in ['Ann@Example.com', 'bob@example.com']",
            ),
            (BARE, {"subject": re.compile("x")}, "subject: re.compile('x') is wanted, but there is none"),
            (BARE, {"subject": re.compile("^$")}),
        )

    def test_any_and_none(self) -> None:
        """ANY wants a value that is not empty; None wants none."""
        names = ("to", "cc", "from_", "subject", "text")
        self.check(
            (MAIL, dict.fromkeys(names, ANY)),
            (BARE, dict.fromkeys(names, ANY), *(f"{name}: ANY is wanted, but there is none" for name in names)),
            (BARE, dict.fromkeys(["cc", "from_", "subject", "html"])),
            (
                MAIL,
                dict.fromkeys(["cc", "from_", "subject", "html"]),
                "cc: None is wanted, but it is ['eve@example.com']",
                "from_: None is wanted, but it is 'shop@example.com'",
                "subject: None is wanted, but it is 'Grüße'",
            ),
        )

    def test_attachments(self) -> None:
        """A glob of the name or the type, bytes, a pattern, a mapping, a callable, or a list of these."""
        other = (
            "attachment: {'name': '*.pdf', 'content': b'PDF'} is none of: list [1].csv text/csv 17 bytes "
            "(another name and content), inv-7.pdf application/pdf 12 kB (another content)"
        )
        self.check(
            *((SHOP, {"attachment": name}) for name in ("inv-7.pdf", "*.pdf", "inv-[0-9].pdf", "list [1].csv")),
            *((SHOP, {"attachment": kind}) for kind in ("application/pdf", "text/*", "Application/PDF", "*/pdf")),
            (SHOP, {"attachment": b"%PDF" + b"x" * 12_000}),
            (SHOP, {"attachment": {"name": "*.csv", "content": "grün und blau"}}),
            (SHOP, {"attachment": {"name": re.compile("^inv"), "content": re.compile(rb"^%PDF-?")}}),
            (SHOP, {"attachment": {"content_type": "application/*", "content": lambda content: len(content) > 9_999}}),
            (SHOP, {"attachment": {"name": str.isprintable, "content": re.compile("grün$", re.MULTILINE)}}),
            (SHOP, {"attachment": re.compile(r"-\d\.")}),
            (SHOP, {"attachment": lambda each: each.text.startswith("grün")}),
            (SHOP, {"attachment": ["*.pdf", "*.csv"]}),
            # an inline picture is no attachment, unless it is asked for
            (SHOP, {"attachment": ANY}),
            (LOGO, {"attachment": ANY}, "attachment: ANY is wanted, but there is none"),
            (LOGO, {"attachment": None}),
            (LOGO, {"attachment": "logo.png"}),
            (SHOP, {"attachment": None}, f"attachment: None is wanted, but there is {LISTED}"),
            (SHOP, {"attachment": "*.txt"}, f"attachment: '*.txt' is none of: {LISTED}"),
            (PLAIN, {"attachment": "*.txt"}, "attachment: '*.txt' is wanted, but there is none"),
            (PLAIN, {"attachment": ["*.pdf", "a"]}, "attachment: ['*.pdf', 'a'] is wanted, but there is none"),
            (
                SHOP,
                {"attachment": ["*.pdf", "*.txt", b"y" * 150]},
                f"attachment: '*.txt' is none of: {LISTED}; {b'y' * 120!r}… (150 bytes) is none of: {LISTED}",
            ),
            (SHOP, {"attachment": {"name": "*.pdf", "content": b"PDF"}}, other),
        )

    def test_session(self) -> None:
        """TLS of any version, of this one or none; and the user who was logged in."""
        self.check(
            *((SECURE, {"tls": wanted}) for wanted in (True, ANY, "TLSv1.3", re.compile(r"1\.[23]"))),
            *((PLAIN, {"tls": wanted}) for wanted in (False, None)),
            (PLAIN, {"tls": True}, "tls: True is wanted, but it came without TLS"),
            (PLAIN, {"tls": "TLSv1.2"}, "tls: 'TLSv1.2' is wanted, but it came without TLS"),
            (SECURE, {"tls": False}, "tls: False is wanted, but it came over TLSv1.3"),
            (SECURE, {"tls": "TLSv1.2"}, "tls: 'TLSv1.2' != 'TLSv1.3'"),
            (SECURE, {"tls": re.compile("x")}, "tls: re.compile('x') not found in 'TLSv1.3'"),
            (SECURE, {"auth_user": "shop"}),
            (PLAIN, {"auth_user": None}),
            (SECURE, {"auth_user": "ann"}, "auth_user: 'ann' != 'shop'"),
            (PLAIN, {"auth_user": "ann"}, "auth_user: 'ann' is wanted, but there is none"),
        )


class PredicateTest(unittest.TestCase):
    """Functions of the test, on one value or on the whole email."""

    def test_it_gets_the_value(self) -> None:
        """A callable is given the value, and decides by the truth of what it returns."""
        seen: list[object] = []

        def look(answer: object) -> Callable[[object], object]:
            return lambda value: (seen.append(value), answer)[1]

        self.assertTrue(Criteria.build(to=look(1), from_=look("x"), text=look(True)).matches(MAIL))
        values = [["Ann@Example.com", "bob@example.com"], "shop@example.com", "Your code is\n   42, Ann."]
        self.assertEqual(seen, values)
        criteria = Criteria.build(lambda email: len(email.attachments) == 2, subject="")
        self.assertEqual([True, False], [criteria.matches(SHOP), criteria.matches(PLAIN)])

    def test_it_is_last(self) -> None:
        """It is called only with emails that meet every other criterion."""
        asked: list[object] = []
        for criteria in (Criteria.build(text=asked.append, subject="x"), Criteria.build(asked.append, subject="x")):
            self.assertFalse(criteria.matches(MAIL))
        self.assertEqual(asked, [])

    def test_reports(self) -> None:
        """One that is not true has its name and place in the report; what it raises is raised by ``matches``."""

        def is_short(value: Any) -> bool:
            if value == "Grüße" or value is MAIL:
                return False
            raise ValueError("boom \x1b")

        name = f"predicate is_short (test_criteria.py:{is_short.__code__.co_firstlineno})"
        self.assertEqual(str(Criteria.build(is_short)), name)
        for email, wanted, report in (
            (MAIL, {"subject": is_short}, f"subject: {name} is not true of 'Grüße'"),
            (MAIL, {"subject": "x".__eq__}, "subject: predicate __eq__ is not true of 'Grüße'"),
            (MAIL, {"cc": is_short}, f"cc: {name} raised ValueError: boom \\x1b on ['eve@example.com']"),
            (SHOP, {"attachment": is_short}, f"attachment: {name} raised ValueError: boom \\x1b on {LISTED}"),
            (MAIL, {}, "predicate: is not true of it"),
            (SHOP, {}, r"predicate: raised ValueError: boom \x1b"),
        ):
            with self.subTest(report):
                criteria = Criteria.build(**wanted) if wanted else Criteria.build(is_short)
                (mismatch,) = criteria.mismatches(email)
                self.assertEqual(mismatch.describe(), report)
                if mismatch.error is None:
                    self.assertFalse(criteria.matches(email))
                else:
                    self.assertRaisesRegex(ValueError, "^boom \x1b$", criteria.matches, email)


class CriteriaTest(unittest.TestCase):
    """All that is wanted of an email."""

    def test_all(self) -> None:
        """An email matches if it meets every criterion; none is met by every email."""
        criteria = Criteria.build(to="ann@example.com", subject="Welcome", text="Ann")
        self.assertEqual([True, False], [criteria.matches(PLAIN), criteria.matches(HTML)])
        self.assertEqual(["text"], [each.criterion for each in criteria.mismatches(HTML)])
        self.assertTrue(Criteria.build().matches(receive(b"")))

    def test_str(self) -> None:
        """Criteria look as they were written, long bytes cut."""
        for wanted, text in (
            ({"to": ["a@x"], "cc": None, "text": ANY}, "to=['a@x'], cc=None, text=ANY"),
            ({"headers": {"X": "1"}}, "headers['X']='1'"),
            (
                {"attachment": [{"content": b"x" * 150}, "*.pdf"]},
                f"attachment=[{{'content': {b'x' * 120!r}… (150 bytes)}}, '*.pdf']",
            ),
        ):
            self.assertEqual(str(Criteria.build(**wanted)), text)

    def test_they_cannot_be_changed(self) -> None:
        """Whoever keeps criteria for a report has those that were compared."""
        criteria = Criteria.build(subject="x")
        with self.assertRaises(dataclasses.FrozenInstanceError):
            criteria.criteria = ()  # type: ignore[misc]
        self.assertEqual("subject='x'", str(criteria))

    def test_closeness(self) -> None:
        """The nearer a value is to what is wanted, the closer."""

        def closeness(email: ReceivedEmail, **wanted: object) -> float:
            (mismatch,) = Criteria.build(**wanted).mismatches(email)
            return mismatch.closeness

        self.assertGreater(closeness(MAIL, subject="Grüße!"), closeness(MAIL, subject="Rechnung"))
        self.assertGreater(closeness(MAIL, to="bobby@example.com"), closeness(MAIL, to="zzz@other"))
        long = receive(letter(text="x " * 500 + "code: 43"))
        self.assertGreater(closeness(long, text="code: 42"), closeness(long, text="bill: 99"))
        self.assertEqual([0.0, 0.0], [closeness(MAIL, subject=re.compile("x")), closeness(BARE, to="a@x")])


class RefusalTest(unittest.TestCase):
    """Criteria that every email meets, or that none can, are refused when they are built."""

    maxDiff = None

    def test_unknown(self) -> None:
        """An unknown criterion is a TypeError with the nearest name, or all."""
        known = "attachment, auth_user, bcc, body, cc, from_, headers, html, mail_from, recipients, reply_to, subject"
        for name, message in {
            "subjct": "did you mean 'subject'?",
            "from": "did you mean 'from_'?",
            "zzz": f"known are {known}, text, tls, to",
        }.items():
            with self.assertRaises(TypeError) as caught:
                Criteria.build(**{name: "x"})
            self.assertEqual(str(caught.exception), f"unknown criterion {name!r}; {message}")

    def test_values(self) -> None:
        """The message has the value, and what is wanted."""
        kinds = "a compiled pattern, a callable, unittest.mock.ANY, or None for absent."
        files = (
            "wanted is a glob of the file's name, a content type, its bytes, a compiled pattern, a callable, a mapping "
            "of name, content_type and content, a list of these, unittest.mock.ANY, or None for absent."
        )
        tls = (
            "wanted is True or False, a version as in 'TLSv1.3', a compiled pattern, unittest.mock.ANY, "
            "or None for a connection without TLS."
        )
        several = "to='a@x, b@x' is 2 addresses; pass a list: to=['a@x', 'b@x']."
        of_bytes = re.compile(b"x")
        for name, wanted, message in (
            ("to", 5, f"to=5 is of type int; wanted is an address, a list of addresses, {kinds}"),
            ("from_", ["a@x"], f"from_=['a@x'] is of type list; wanted is an address, {kinds}"),
            ("subject", b"x", f"subject=b'x' is of type bytes; wanted is a str, {kinds}"),
            ("text", 5, f"text=5 is of type int; wanted is a str, a list of them, {kinds}"),
            ("headers", {"X": 1}, f"headers['X']=1 is of type int; wanted is a str, {kinds}"),
            ("to", ["a@x", 1], "to=['a@x', 1] holds 1; a list is of str."),
            ("to", [re.compile("x")], "to=[re.compile('x')] holds re.compile('x'); a list is of str."),
            ("text", [None], "text=[None] holds None; a list is of str."),
            ("text", of_bytes, "text=re.compile(b'x') is a pattern of bytes; compile it from a str."),
            ("to", "", "to='' is no address; use None for an email without to."),
            ("from_", "Ann Lee", "from_='Ann Lee' is no address; use None for an email without from_."),
            ("cc", " , ", "cc=' , ' is no address; use None for an email without cc."),
            ("to", "a@x, b@x", several),
            ("to", ["a@x, b@x"], several),
            ("text", " \n", "text=' \\n' is in every email; use None for an email without text."),
            ("html", [], "html=[] is in every email; use None for an email without html."),
            ("body", ["x", ""], "body='' is in every email; use None for an email without body."),
            *(
                ("headers", each, f"headers={each!r} is no mapping of names to values, as in headers={{'X-Id': '1'}}.")
                for each in ("X-Id", {}, {1: "x"}, None, ["X-Id"])
            ),
            *(("attachment", each, f"attachment={each!r}; {files}") for each in ("", b"", {}, [], 5)),
            ("attachment", ["*.pdf", 5], f"attachment=5; {files}"),
            ("attachment", {"nam": 1}, "attachment={'nam': 1} has the unknown key 'nam'; did you mean 'name'?"),
            (
                "attachment",
                {1: "x"},
                "attachment={1: 'x'} has the unknown key 1; known are name, content_type, content",
            ),
            (
                "attachment",
                {"name": 5},
                "attachment={'name': 5} has 5 for name; wanted is a str, a compiled pattern or a callable.",
            ),
            ("attachment", {"name": b"x"}, "attachment={'name': b'x'} has bytes for name; it is a str."),
            (
                "attachment",
                of_bytes,
                "attachment=re.compile(b'x') has a pattern of bytes for name; compile it from a str.",
            ),
            *(("tls", each, f"tls={each!r}; {tls}") for each in (5, "", "yes", "1.3", ["TLSv1.3"], re.compile(b"1"))),
        ):
            with self.subTest(message), self.assertRaises(UsageError) as caught:
                Criteria.build(**{name: wanted})
            self.assertEqual(str(caught.exception), message)

    def test_predicates(self) -> None:
        """What is no callable was meant for a keyword; what a coroutine function returns is always true."""

        async def is_short(_email: object) -> bool:
            return False

        self.assertRaises(UsageError, Criteria.build, subject=is_short)
        wanted_is = "; wanted is a callable that is asked about each email. Everything else has a name, as in subject="
        for wanted in ("Welcome", 5, str, is_short):
            with (
                self.subTest(wanted),
                self.assertRaisesRegex(UsageError, f"^the predicate is .*{wanted_is}'Welcome'.$"),
            ):
                Criteria.build(wanted)  # type: ignore[arg-type]


class ValueTest(unittest.TestCase):
    """How values are written in a report."""

    def test_each(self) -> None:
        """Short values stay on the line, as in code; long ones are cut, or go on lines of their own."""
        ten = "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'"
        is_true = lambda _: True  # noqa: E731
        for written, wanted in (
            (shown("a\x1b"), r"'a\x1b'"),
            (shown("x" * 1234), f"'{'x' * 120}'… (1,234 characters)"),
            (shown(["a", re.compile("b"), None]), "['a', re.compile('b'), None]"),
            (shown(list("abcdefghij")), f"[{ten}]"),
            (shown(list("abcdefghijkl")), f"[{ten}, … 2 more]"),
            (shown(is_true), f"predicate <lambda> (test_criteria.py:{is_true.__code__.co_firstlineno})"),
            (shown(functools.partial(max)), "predicate partial"),
            (shown(str.isdigit), "predicate isdigit"),
            (in_full(["a\n", "b"]), r"['a\n', 'b']"),
            (in_full("a\nb"), "3 characters:\n| a\n| b"),
            (in_full("x" * 100), f"'{'x' * 100}'"),
            (in_full("x" * 101), f"101 characters:\n| {'x' * 101}"),
            (difference("a" * 100, "b"), f"'{'a' * 100}' != 'b'"),
            (
                difference("1\n2\n3\n4", "1\n2\n3\n5"),
                "they differ so:\n--- wanted\n+++ got\n@@ -2,3 +2,3 @@\n 2\n 3\n-4\n+5",
            ),
            (
                difference("x\n5", "\n".join("0123456789"), part=True),
                "--- wanted\n+++ got\n@@ -1,2 +1,6 @@\n-x\n+2\n+3\n+4\n 5\n+6\n+7",
            ),
            *zip(
                map(describe_size, (0, 1, 999, 1000, 12_345, 999_499, 999_500, 1_500_000)),
                ("0 bytes", "1 byte", "999 bytes", "1 kB", "12 kB", "999 kB", "1.0 MB", "1.5 MB"),
                strict=True,
            ),
        ):
            with self.subTest(wanted):
                self.assertEqual(written, wanted)

    def test_very_long_texts(self) -> None:
        """Of a very long text the first five thousand lines are compared."""
        text = "\n" * 5000 + "y"
        self.assertNotIn("y", difference("x\ny", text, part=True).removeprefix("--- wanted").replace("-y", ""))
        self.assertIn(" y", difference("x\ny", text[1:], part=True))
