"""A received mail as people see it, and as Python's email package sees it."""

from __future__ import annotations

import copy
import pickle
import tempfile
import threading
import unittest
from email.feedparser import BytesFeedParser
from email.message import EmailMessage
from email.policy import EmailPolicy
from pathlib import Path
from typing import Any
from unittest import mock

from liveserver_testcase.mail import mime
from liveserver_testcase.mail.message import Attachment, Envelope, Headers, MessageDetails, ReceivedEmail, SessionFacts
from tests.unit.mail import letter, receive

REFUSED = ReceivedEmail(
    b"To: b@x, c@x\r\n\r\n", Envelope(mail_from="a@x", recipients=("b@x",), refused=("c@x",)), received_at=0.0
)
DECODED = receive(
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nFrom: Shop <shop@x>, Other <o@x>\n"
    "To: Ann <ann@x>, bob@x\nCc: eve@x\nReply-To: Help <help@x>\n\n"
)
SHOWN = "Bcc header: it shows the blind copies to everybody who gets the email"


class EmailTest(unittest.TestCase):
    """What an email's properties are."""

    maxDiff = None

    def test_each(self) -> None:
        """Sender and recipients are of the envelope, headers and texts are decoded, and what is absent is empty."""
        for email, wanted in (
            # whatever the header says
            (
                receive("From: a@x\nTo: b@x\n\n", "c@x", "d@x", mail_from="e@x"),
                {"mail_from": "e@x", "recipients": ["c@x", "d@x"]},
            ),
            (
                receive("\n", mail_from=""),
                {"mail_from": "", "subject": "", "from_": "", "to": [], "cc": [], "body": ""},
            ),
            (REFUSED, {"recipients": ["b@x"], "refused": ["c@x"], "bcc": []}),
            # blind copies are in no To or Cc, compared as addresses; a Bcc header hides nobody
            (receive("To: Ann <ANN@x>\nCc: bob@x\n\n", "ann@X", "Bob@x", "Eve@x"), {"bcc": ["Eve@x"]}),
            (receive("To: ann@x\nBcc: eve@x\n\n", "ann@x", "eve@x"), {"bcc": ["eve@x"], "defects": [SHOWN]}),
            (receive("To: ann@x\nResent-To: bob@x\nResent-Cc: eve@x\n\n", "bob@x", "eve@x"), {"bcc": []}),
            (DECODED, {"subject": "Grüße", "from_": "shop@x", "to": ["ann@x", "bob@x"], "cc": ["eve@x"]}),
            (DECODED, {"reply_to": ["help@x"]}),
            (receive(letter(text="Hi", html="<p>Hi")), {"body": "Hi"}),
            (receive("Content-Type: text/html\n\n<p>Hi <b>Ann</b>\n"), {"body": "Hi Ann", "text": ""}),
            (receive(b"A: b\r\n\r\n\xff\r\n"), {"raw": b"A: b\r\n\r\n\xff\r\n"}),
        ):
            for name, value in wanted.items():
                with self.subTest(name, value=value):
                    self.assertEqual(getattr(email, name), value)

    def test_details(self) -> None:
        """Peer and envelope have the names of pytest-localserver too; without a session the peer is not known."""
        options: Any = {"mail_options": ("SIZE=1",), "rcpt_options": ("NOTIFY=NEVER",)}
        session = SessionFacts(peer=("127.0.0.1", 5), ehlo="me")
        envelope = Envelope(mail_from="a@x", recipients=("b@x",), **options)
        email = ReceivedEmail(b"", envelope, session=session, received_at=1.5)
        lists = {name: list(values) for name, values in options.items()}
        details = MessageDetails(peer=("127.0.0.1", 5), mailfrom="a@x", rcpttos=["b@x"], **lists)
        self.assertEqual(email.details, details)
        self.assertIs(email.session, session)
        self.assertEqual((email.received_at, email.index, email.window.name), (1.5, -1, "no test"))
        self.assertIsNone(receive("\n").details.peer)

    def test_as_written(self) -> None:
        """Text and HTML are what the sender gave to Python's email package, whatever encoding it chose."""
        many = "\n".join(["日本語"] * 99)
        for text in ("Hello", "Hello\nAnn\n\nbye", "grün", "x" * 2000, "a\u2028b \t", many):
            with self.subTest(text[:20]):
                email = receive(letter(text=text, html=f"<p>{text}"))
                self.assertEqual((email.text, email.html, email.defects), (text, f"<p>{text}", []))

    def test_attachments(self) -> None:
        """Attachments are everything else, in order, with their bytes, which their repr does not show."""
        email = receive(letter(attachments={"a.pdf": b"\0\xff", "b.pdf": b"zzz"}))
        wanted = [
            Attachment(name=name, content_type="application/pdf", content=content, disposition="attachment")
            for name, content in (("a.pdf", b"\0\xff"), ("b.pdf", b"zzz"))
        ]
        self.assertEqual(email.attachments, wanted)
        self.assertNotIn("zzz", repr(email.attachments))

    def test_own_lists(self) -> None:
        """Lists are the caller's own: to change one changes nothing in the mail."""
        email = receive(letter(attachments={"a.pdf": b"x"}))
        for name in ("to", "recipients", "bcc", "attachments", "inline", "defects"):
            before = list(getattr(email, name))
            getattr(email, name).append("more")
            self.assertEqual(getattr(email, name), before)

    def test_repr(self) -> None:
        """Its repr has subject, sender, recipients and size, and nothing that moves a cursor; as a str it is itself."""
        email = receive("Subject: Hi\n\n", "ann@x", "bob@x")
        wanted = "<ReceivedEmail 'Hi' from 'shop@example.com' to 'ann@x, bob@x', 15 bytes>"
        self.assertEqual((repr(email), str(email), bool(email)), (wanted, "Subject: Hi\n\n", True))
        email = receive("Subject: =?utf-8?q?=1B[31m=E2=80=AE=0D?=\n\n", "\x1b@x")
        self.assertIn(r"'\x1b[31m\u202e' from 'shop@example.com' to '\x1b@x'", repr(email))

    def test_lazy(self) -> None:
        """Nothing is parsed before it is looked at, and then it is parsed once."""
        source = receive(letter())
        with mock.patch.object(mime, "parse_message", wraps=mime.parse_message) as parse:
            email = ReceivedEmail(source.raw, source.envelope, received_at=0.0)
            self.assertEqual(parse.call_count, 0)
            self.assertEqual((email.subject, email.to, email.text), ("Welcome", ["ann@example.com"], "Hello Ann"))
            self.assertEqual(email.parse()["Subject"], "Welcome")
            self.assertEqual(parse.call_count, 1)

    def test_threads(self) -> None:
        """Threads that look at the same time see the same."""
        source = receive(letter(html="<p>Hi", attachments={"a.pdf": b"x" * 9999}))
        email = ReceivedEmail(source.raw, source.envelope, received_at=0.0)
        together = threading.Barrier(8)
        seen: list[object] = []

        def look() -> None:
            together.wait()
            seen.append((email.subject, email.text, email.html, tuple(email.attachments)))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(seen), len(set(seen))), (8, 1))

    def test_save(self) -> None:
        """An email is written as it was sent; in a folder its name is made of its number and its subject."""
        email = receive(b"Subject: x\r\n\r\n\xff\r\n")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path in (folder / "a.eml", str(folder / "a.eml")):  # the second overwrites the first
                self.assertEqual(email.save(path), folder / "a.eml")
                self.assertEqual((folder / "a.eml").read_bytes(), email.raw)
            for subject, index, file in (
                ("Welcome, Ann!", 0, "001-Welcome-Ann.eml"),
                ("../../etc/passwd", 11, "012-etc-passwd.eml"),
                ("Grüße", 2, "003-Grüße.eml"),
                ("", -1, "001-no-subject.eml"),
                ("\x00/", 3, "004-no-subject.eml"),
            ):
                email = receive(f"Subject: {subject}\n\n")
                email.index = index
                self.assertEqual(email.save(folder), folder / file)
                self.assertEqual((folder / file).read_bytes(), email.raw)
            self.assertRaises(FileNotFoundError, email.save, folder / "none" / "a.eml")


class HeadersTest(unittest.TestCase):
    """Header fields by name."""

    def test_email(self) -> None:
        """A header is found by its name in any case; of several the first, or all; None if there is none."""
        email = receive("X-A: 1\nx-a: 2\n\n")
        self.assertEqual((email["x-A"], email.get("X-a"), email.get_all("X-A")), ("1", "1", ["1", "2"]))
        self.assertEqual((email["X-B"], email.get("X-B"), email.get_all("X-B")), (None, None, None))
        self.assertEqual((email.get("X-B", "none"), "X-a" in email, "X-B" in email), ("none", True, False))
        self.assertEqual(list(receive("Subject: x\nX-A: 1\n\n")), ["Subject", "X-A"])

    def test_mapping(self) -> None:
        """``headers`` is a mapping in which a name counts once; `get_all` and `fields` have the email's order."""
        headers = Headers([("Subject", "a"), ("X-A", "1"), ("x-a", "2")])
        self.assertEqual((headers["x-A"], headers.get("nope"), 0 in headers), ("1", None, False))
        self.assertEqual(headers.get_all("X-a"), ["1", "2"])
        self.assertEqual(headers.fields(), [("Subject", "a"), ("X-A", "1"), ("x-a", "2")])
        self.assertEqual((set(headers), len(headers)), ({"Subject", "X-A"}, 2))
        self.assertEqual(dict(headers), {"Subject": "a", "X-A": "1"})
        self.assertEqual(repr(Headers([("A", "\x1b")])), r"Headers([('A', '\x1b')])")
        for name, message in {"Subjekt": "did you mean 'Subject'?", "Zzz": "known are X-A, Subject"}.items():
            with self.assertRaises(KeyError) as caught:
                headers[name]
            self.assertEqual(caught.exception.args, (f"no header {name!r}: {message}",))


class PythonTest(unittest.TestCase):
    """An email as Python's email package sees it."""

    def test_message(self) -> None:
        """An email is an EmailMessage, under a policy that decodes."""
        email = receive(letter("Grüße", html="<p>Hi"))
        self.assertIsInstance(email, EmailMessage)
        self.assertIsInstance(email.policy, EmailPolicy)
        self.assertEqual(email["Subject"], "Grüße")
        self.assertEqual(email["To"].addresses[0].domain, "example.com")
        kinds = [part.get_content_type() for part in email.walk()]
        self.assertEqual(kinds, ["multipart/alternative", "text/plain", "text/html"])
        html = email.get_body(("html",))
        assert html is not None
        self.assertEqual(html.get_content(), "<p>Hi\r\n")

    def test_headers(self) -> None:
        """A header that Python reads with losses, or not at all, is given as text, decoded as everywhere here."""
        email = receive(b"Subject: gr\xfcn\r\nX-A: =?nope?q?gr=FCn?=\r\nX-B: =?utf-8?q?=C3=BC?=\r\n folded\r\n\r\n")
        with mock.patch.object(EmailPolicy, "header_fetch_parse", side_effect=IndexError("boom")):
            self.assertEqual((email["Subject"], email["X-A"], email["X-B"]), ("grün", "grün", "ü folded"))

    def test_content(self) -> None:
        """``get_content`` gives a text in any charset, also in one that Python does not know."""
        for charset, data, text in (("nope", b"gr\xfcn", "grün"), ("shift_jis", b"\x87\x40", "①"), ("", b"hi", "hi")):
            with self.subTest(charset):
                email = receive(f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + data)
                self.assertEqual(email.get_content(), text)
        email = receive(letter(text="Hi", attachments={"a.pdf": b"\0"}))
        self.assertEqual([part.get_content() for part in email.iter_attachments()], [b"\0"])

    def test_changes(self) -> None:
        """What is changed in Python's message changes nothing in what was received."""
        email = receive("Subject: a\n\nb\n")
        del email["Subject"]
        email["Subject"] = "changed"
        self.assertEqual((email["Subject"], email.subject, email.raw), ("changed", "a", b"Subject: a\r\n\r\nb\r\n"))

    def test_no_such_attribute(self) -> None:
        """A misspelt attribute is an AttributeError."""
        with self.assertRaisesRegex(AttributeError, "^'ReceivedEmail' object has no attribute 'subjekt'$"):
            receive("\n").subjekt  # noqa: B018

    def test_what_python_cannot_parse(self) -> None:
        """An email on which Python's parser raises is bytes without a header; if its header can be read, it is."""
        with mock.patch.object(BytesFeedParser, "feed", side_effect=RecursionError):
            email = receive(b"A: b\r\n\r\n\xff\r\n")
        self.assertEqual((email.get_payload(decode=True), email.keys()), (email.raw, []))
        self.assertEqual((email.text, email.html, email.attachments), ("ÿ", "", []))
        unread = "MIME structure: could not be read (RecursionError)"
        guessed = "body: bytes outside ASCII that are not UTF-8, read as windows-1252"
        self.assertEqual(email.defects, [unread, guessed])
        nested = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(1200))
        email = receive(f"Subject: deep\n{nested}\nHi\n")
        self.assertEqual((email.subject, email["Subject"]), ("deep", "deep"))

    def test_copies(self) -> None:
        """An email can be copied, and pickled for another process, when it has been parsed, too."""
        email = receive(letter())
        for other in (copy.copy(email), copy.deepcopy(email), pickle.loads(pickle.dumps(email))):
            self.assertEqual((other["Subject"], other.text, other.raw), ("Welcome", "Hello Ann", email.raw))
