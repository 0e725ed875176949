"""A received mail as people see it."""

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
from unittest import mock

from liveserver_testcase.mail import mime
from liveserver_testcase.mail.message import (
    Attachment,
    Envelope,
    Headers,
    MessageDetails,
    ReceivedEmail,
    SessionFacts,
)
from tests.unit.mail import letter, receive


class TheEnvelope(unittest.TestCase):
    def test_sender_and_recipients(self) -> None:
        """Sender and recipients are those of the envelope, whatever the header says."""
        email = receive("From: a@x\nTo: b@x\n\n", "c@x", "d@x", mail_from="e@x")
        self.assertEqual((email.mail_from, email.recipients), ("e@x", ["c@x", "d@x"]))

    def test_null_sender(self) -> None:
        """The null sender of a bounce is an empty string."""
        self.assertEqual(receive("\n", mail_from="").mail_from, "")

    def test_bcc(self) -> None:
        """Blind copies are the recipients that no To or Cc shows, compared as addresses."""
        email = receive("To: Ann <ANN@x>\nCc: bob@x\n\n", "ann@X", "Bob@x", "Eve@x")
        self.assertEqual(email.bcc, ["Eve@x"])

    def test_bcc_header(self) -> None:
        """A Bcc header that the sender forgot to remove hides nobody, and can be seen."""
        email = receive("To: ann@x\nBcc: eve@x\n\n", "ann@x", "eve@x")
        self.assertEqual((email.bcc, email["Bcc"]), (["eve@x"], "eve@x"))
        self.assertEqual(email.defects, ["Bcc header: it shows the blind copies to everybody who gets the email"])

    def test_resent(self) -> None:
        """Who a mail was sent on to, openly, is no blind copy."""
        email = receive("To: ann@x\nResent-To: bob@x\nResent-Cc: eve@x\n\n", "bob@x", "eve@x")
        self.assertEqual(email.bcc, [])

    def test_refused(self) -> None:
        """Who was refused is no recipient, but known."""
        envelope = Envelope(mail_from="a@x", recipients=("b@x",), refused=("c@x",))
        email = ReceivedEmail(b"To: b@x, c@x\r\n\r\n", envelope, received_at=0.0)
        self.assertEqual((email.recipients, email.refused, email.bcc), (["b@x"], ["c@x"], []))

    def test_details(self) -> None:
        """Peer and envelope have the names of pytest-localserver too."""
        envelope = Envelope(
            mail_from="a@x", recipients=("b@x",), mail_options=("SIZE=1",), rcpt_options=("NOTIFY=NEVER",)
        )
        session = SessionFacts(peer=("127.0.0.1", 5), ehlo="me")
        email = ReceivedEmail(b"", envelope, session=session, received_at=1.5)
        self.assertEqual(
            email.details,
            MessageDetails(
                peer=("127.0.0.1", 5),
                mailfrom="a@x",
                rcpttos=["b@x"],
                mail_options=["SIZE=1"],
                rcpt_options=["NOTIFY=NEVER"],
            ),
        )
        self.assertIs(email.session, session)
        self.assertEqual((email.received_at, email.index, email.window.name), (1.5, -1, "no test"))

    def test_details_without_session(self) -> None:
        """Without a recorded session the peer is not known."""
        self.assertIsNone(receive("\n").details.peer)


class TheHeader(unittest.TestCase):
    def test_decoded(self) -> None:
        """Headers are decoded, and addresses come without display names."""
        email = receive(
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nFrom: Shop <shop@x>, Other <o@x>\n"
            "To: Ann <ann@x>, bob@x\nCc: eve@x\nReply-To: Help <help@x>\n\n"
        )
        self.assertEqual(email.subject, "Grüße")
        self.assertEqual(email.from_, "shop@x")
        self.assertEqual(email.to, ["ann@x", "bob@x"])
        self.assertEqual(email.cc, ["eve@x"])
        self.assertEqual(email.reply_to, ["help@x"])
        self.assertEqual(email["from"], "Shop <shop@x>, Other <o@x>")

    def test_absent(self) -> None:
        """What is not there is empty, and None where it is asked for by name."""
        email = receive("\n")
        self.assertEqual((email.subject, email.from_), ("", ""))
        self.assertEqual((email.to, email.cc, email.reply_to), ([], [], []))
        self.assertIsNone(email["Subject"])
        self.assertIsNone(email.get("Subject"))
        self.assertEqual(email.get("Subject", "none"), "none")

    def test_by_name(self) -> None:
        """A header is found by its name in any case; of several the first, or all."""
        email = receive("X-A: 1\nx-a: 2\n\n")
        self.assertEqual((email["x-A"], email.get("X-a")), ("1", "1"))
        self.assertEqual(email.get_all("X-A"), ["1", "2"])
        self.assertIsNone(email.get_all("X-B"))
        self.assertIn("X-a", email)
        self.assertNotIn("X-B", email)
        self.assertNotIn(0, email.headers)

    def test_names(self) -> None:
        """To run through a mail gives the names of its headers, as Python's messages do."""
        self.assertEqual(list(receive("Subject: x\nX-A: 1\n\n")), ["Subject", "X-A"])

    def test_own_lists(self) -> None:
        """Lists are the caller's own: to change one changes nothing in the mail."""
        email = receive(letter(attachments={"a.pdf": b"x"}))
        for name in ("to", "recipients", "bcc", "attachments", "inline", "defects"):
            with self.subTest(name):
                before = list(getattr(email, name))
                getattr(email, name).append("more")
                self.assertEqual(getattr(email, name), before)


class HeadersMapping(unittest.TestCase):
    headers = Headers([("Subject", "a"), ("X-A", "1"), ("x-a", "2")])

    def test_get(self) -> None:
        """A name gives the first of its values, in any case of letters."""
        self.assertEqual((self.headers["x-A"], self.headers.get("nope")), ("1", None))

    def test_unknown(self) -> None:
        """A name that is not there raises KeyError, which has the nearest name, or all."""
        with self.assertRaises(KeyError) as caught:
            self.headers["Subjekt"]
        self.assertEqual(caught.exception.args, ("no header 'Subjekt': did you mean 'Subject'?",))
        with self.assertRaises(KeyError) as caught:
            self.headers["Zzz"]
        self.assertEqual(caught.exception.args, ("no header 'Zzz': known are X-A, Subject",))

    def test_all(self) -> None:
        """All values of a name, and all fields, come in the mail's order."""
        self.assertEqual(self.headers.get_all("X-a"), ["1", "2"])
        self.assertEqual(self.headers.fields(), [("Subject", "a"), ("X-A", "1"), ("x-a", "2")])

    def test_names(self) -> None:
        """A name that is there twice counts once."""
        self.assertEqual((set(self.headers), len(self.headers)), ({"Subject", "X-A"}, 2))
        self.assertEqual(dict(self.headers), {"Subject": "a", "X-A": "1"})

    def test_repr(self) -> None:
        """Its repr shows every field."""
        self.assertEqual(repr(Headers([("A", "\x1b")])), r"Headers([('A', '\x1b')])")


class TheContent(unittest.TestCase):
    def test_body(self) -> None:
        """The body is the text, and if there is none the HTML without its tags."""
        self.assertEqual(receive(letter(text="Hi", html="<p>Hi")).body, "Hi")
        self.assertEqual(receive("Content-Type: text/html\n\n<p>Hi <b>Ann</b>\n").body, "Hi Ann")
        self.assertEqual(receive(b"").body, "")

    def test_as_written(self) -> None:
        """Text and HTML are what the sender gave to Python's email package, whatever encoding it chose."""
        for text in (
            "Hello",
            "Hello\nAnn\n\nbye",
            "grün",
            "x" * 2000,
            "a\u2028b \t",
            "\n".join(["日本語"] * 99),
        ):
            with self.subTest(text[:20]):
                email = receive(letter(text=text, html=f"<p>{text}"))
                self.assertEqual((email.text, email.html), (text, f"<p>{text}"))
                self.assertEqual(email.defects, [])

    def test_attachments(self) -> None:
        """Attachments are everything else, in order, with their bytes."""
        email = receive(letter(attachments={"a.pdf": b"\0\xff", "b.pdf": b""}))
        self.assertEqual(
            email.attachments,
            [
                Attachment(name=name, content_type="application/pdf", content=content, disposition="attachment")
                for name, content in (("a.pdf", b"\0\xff"), ("b.pdf", b""))
            ],
        )

    def test_attachment_repr(self) -> None:
        """An attachment's repr does not show its bytes."""
        self.assertNotIn("zzz", repr(receive(letter(attachments={"a.pdf": b"zzz"})).attachments))

    def test_raw(self) -> None:
        """The raw mail is byte for byte what was received."""
        self.assertEqual(receive(b"A: b\r\n\r\n\xff\r\n").raw, b"A: b\r\n\r\n\xff\r\n")


class TheObject(unittest.TestCase):
    def test_true(self) -> None:
        """A mail is true, even one without a header."""
        self.assertTrue(receive(b""))

    def test_repr(self) -> None:
        """Its repr tells subject, sender, recipients and size."""
        self.assertEqual(
            repr(receive("Subject: Hi\n\n", "ann@x", "bob@x")),
            "<ReceivedEmail 'Hi' from 'shop@example.com' to 'ann@x, bob@x', 15 bytes>",
        )

    def test_repr_of_escapes(self) -> None:
        """Nothing in its repr moves a cursor or turns the direction of writing."""
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
        email = receive(letter(html="<p>Hi", attachments={"a.pdf": b"x" * 9999}))
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
        self.assertEqual(len(seen), 8)
        self.assertEqual(len(set(seen)), 1)

    def test_pickle(self) -> None:
        """A mail can be handed to another process."""
        email = receive(letter())
        self.assertEqual(email.text, "Hello Ann")
        self.assertEqual(pickle.loads(pickle.dumps(email)).subject, "Welcome")


class SavedMail(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_file(self) -> None:
        """A mail is written as it was sent; what is there is overwritten."""
        email = receive(b"Subject: x\r\n\r\n\xff\r\n")
        for path in (self.folder / "a.eml", str(self.folder / "a.eml")):
            self.assertEqual(email.save(path), self.folder / "a.eml")
            self.assertEqual((self.folder / "a.eml").read_bytes(), email.raw)

    def test_folder(self) -> None:
        """In a folder it has a name from its number and its subject, whatever that is."""
        for subject, index, name in (
            ("Welcome, Ann!", 0, "001-Welcome-Ann.eml"),
            ("../../etc/passwd", 11, "012-etc-passwd.eml"),
            ("Grüße", 2, "003-Grüße.eml"),
            ("", -1, "001-no-subject.eml"),
            ("\x00/", 3, "004-no-subject.eml"),
        ):
            with self.subTest(subject):
                email = receive(f"Subject: {subject}\n\n")
                email.index = index
                self.assertEqual(email.save(self.folder), self.folder / name)
                self.assertEqual((self.folder / name).read_bytes(), email.raw)

    def test_nowhere(self) -> None:
        """Where it cannot be written, the system's error says so."""
        with self.assertRaises(FileNotFoundError):
            receive(b"").save(self.folder / "none" / "a.eml")


class ThePythonMessage(unittest.TestCase):
    """A mail as Python's email package sees it."""

    def test_is_one(self) -> None:
        """A mail is an EmailMessage, under a policy that decodes."""
        email = receive(letter("Grüße", html="<p>Hi"))
        self.assertIsInstance(email, EmailMessage)
        self.assertIsInstance(email.policy, EmailPolicy)
        self.assertEqual(email["Subject"], "Grüße")
        self.assertEqual(email["To"].addresses[0].domain, "example.com")
        self.assertEqual(
            [part.get_content_type() for part in email.walk()], ["multipart/alternative", "text/plain", "text/html"]
        )
        html = email.get_body(("html",))
        assert html is not None
        self.assertEqual(html.get_content(), "<p>Hi\r\n")

    def test_header_with_bytes(self) -> None:
        """A header that Python would only give with losses is given as text, decoded as everywhere here."""
        email = receive(b"Subject: gr\xfcn\r\nX-A: =?nope?q?gr=FCn?=\r\n\r\n")
        self.assertEqual((email["Subject"], email["X-A"]), ("grün", "grün"))

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
        with self.assertRaises(AttributeError) as caught:
            receive("\n").subjekt  # noqa: B018
        self.assertEqual(str(caught.exception), "'ReceivedEmail' object has no attribute 'subjekt'")

    def test_mail_that_python_cannot_parse(self) -> None:
        """An email on which Python's parser raises is bytes without a header."""
        with mock.patch.object(BytesFeedParser, "feed", side_effect=RecursionError):
            email = receive(b"A: b\r\n\r\n\xff\r\n")
        self.assertEqual(email.get_payload(decode=True), email.raw)
        self.assertEqual(email.keys(), [])
        self.assertEqual((email.text, email.html, email.attachments), ("ÿ", "", []))
        self.assertEqual(
            email.defects,
            [
                "MIME structure: could not be read (RecursionError)",
                "body: bytes outside ASCII that are not UTF-8, read as windows-1252",
            ],
        )

    def test_header_of_a_mail_that_python_cannot_parse(self) -> None:
        """Where only the parts cannot be parsed, the header is read."""
        nested = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(1200))

        email = receive(f"Subject: deep\n{nested}\nHi\n")

        self.assertEqual((email.subject, email["Subject"]), ("deep", "deep"))

    def test_header_that_python_cannot_parse(self) -> None:
        """A header on which Python's parser raises is given as text."""
        email = receive("X-A: =?utf-8?q?=C3=BC?=\n folded\n\n")
        with mock.patch.object(EmailPolicy, "header_fetch_parse", side_effect=IndexError("boom")):
            self.assertEqual(email["X-A"], "ü folded")

    def test_as_text(self) -> None:
        """As a str a mail is its source."""
        self.assertEqual(str(receive("Subject: a\n\nb\n")), "Subject: a\n\nb\n")

    def test_copies(self) -> None:
        """A mail can be copied and pickled when Python has parsed it, too."""
        email = receive(letter())
        self.assertEqual(email["Subject"], "Welcome")
        for other in (copy.copy(email), copy.deepcopy(email), pickle.loads(pickle.dumps(email))):
            self.assertEqual((other["Subject"], other.raw), ("Welcome", email.raw))
