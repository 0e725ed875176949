"""The structure of a mail: texts, attachments and header fields."""

from __future__ import annotations

import unittest

from liveserver_testcase import Attachment
from tests.mail import letter, mixed, part, receive, wire


class ReadContent(unittest.TestCase):
    def test_text(self) -> None:
        """A mail without MIME headers is a text."""
        content = receive(wire("Subject: x\n\nHello\nAnn\n"))
        self.assertEqual((content.text, content.html, content.attachments), ("Hello\nAnn", "", []))
        self.assertEqual(content.defects, [])

    def test_last_line_end(self) -> None:
        """Of the line ends at the end one is left out, in a mail of one part and of several."""
        self.assertEqual(receive(wire("\nHello\n\n\n")).text, "Hello\n\n")
        self.assertEqual(receive(mixed(part("A: b", "Hello\n\n"))).text, "Hello\n")

    def test_line_ends(self) -> None:
        r"""Every kind of line end is \n."""
        self.assertEqual(receive(b"\r\na\r\nb\nc\rd\r\n").text, "a\nb\nc\nd")

    def test_html_only(self) -> None:
        """A mail of HTML alone has no text."""
        content = receive(wire("Content-Type: text/html\n\n<p>Hi\n"))
        self.assertEqual((content.text, content.html), ("", "<p>Hi"))

    def test_html_parts(self) -> None:
        """Several parts of HTML are one, as texts are."""
        content = receive(mixed(part("Content-Type: text/html", "<p>1"), part("Content-Type: text/html", "<p>2")))
        self.assertEqual(content.html, "<p>1\n<p>2")

    def test_alternatives(self) -> None:
        """The alternatives of a text are text and HTML, also if they have names."""
        content = receive(
            mixed(
                part('Content-Type: text/plain; name="a.txt"', "Hi"),
                part('Content-Type: text/html; name="a.html"', "<p>Hi"),
                subtype="alternative",
            )
        )
        self.assertEqual((content.text, content.html, content.attachments), ("Hi", "<p>Hi", []))

    def test_text_after_picture(self) -> None:
        """A text that goes on after a picture is one text."""
        content = receive(mixed(part("A: b", "One"), part("Content-Type: image/png", "x"), part("A: b", "Two")))
        self.assertEqual(content.text, "One\nTwo")
        self.assertEqual([each.content_type for each in content.attachments], ["image/png"])

    def test_attached_text(self) -> None:
        """A text is an attachment if it says so, or if it has a name and is not the first."""
        content = receive(
            mixed(
                part("Content-Disposition: attachment", "zero"),
                part('Content-Disposition: inline; filename="first.txt"', "one"),
                part('Content-Disposition: inline; filename="second.txt"', "two"),
                part("Content-Disposition: inline", "three"),
            )
        )
        self.assertEqual(content.text, "one\nthree")
        self.assertEqual(
            content.attachments,
            [
                Attachment(name="", content_type="text/plain", content=b"zero", disposition="attachment"),
                Attachment(name="second.txt", content_type="text/plain", content=b"two", disposition="inline"),
            ],
        )

    def test_byte_order_mark(self) -> None:
        """A byte order mark is no part of a text."""
        self.assertEqual(receive(b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xef\xbb\xbfHi").text, "Hi")

    def test_attachment(self) -> None:
        """An attachment has its decoded name, its type and its bytes."""
        message = letter(attachments={"Rechnung für März.pdf": b"\x00\xff\r\n"})
        self.assertEqual(
            receive(message).attachments,
            [
                Attachment(
                    name="Rechnung für März.pdf",
                    content_type="application/pdf",
                    content=b"\x00\xff\r\n",
                    disposition="attachment",
                )
            ],
        )

    def test_names(self) -> None:
        """A name is found however it is written."""
        for header, wanted in {
            "Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.txt": "grün.txt",
            "Content-Disposition: attachment; filename*0*=utf-8''gr%C3; filename*1*=%BCn.txt": "grün.txt",
            'Content-Disposition: attachment; filename="=?utf-8?q?gr=C3=BCn=2Etxt?="': "grün.txt",
            'Content-Disposition: attachment; filename="grün.txt"': "grün.txt",
            'Content-Disposition: attachment;\n filename="a\n b.txt"': "a b.txt",
            'Content-Type: x/y; name="a.txt"\nContent-Disposition: attachment': "a.txt",
            'Content-Disposition: attachment; filename="../../etc/passwd"': "../../etc/passwd",
            "Content-Disposition: attachment": "",
        }.items():
            with self.subTest(header):
                content = receive(mixed(part("A: b", "text"), part(header, "x")))
                self.assertEqual([each.name for each in content.attachments], [wanted])
                self.assertEqual(content.defects, [])

    def test_forwarded_mail(self) -> None:
        """A forwarded mail is an attachment of its bytes, headers, folds and line ends unchanged."""
        inner = b"Subject: a very\r\n  long\r\nX-Raw: gr\xfcn\r\n\r\nLine\r\n\r\n.\r\n"
        raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        content = receive(raw + inner + b"\r\n--b--\r\n")
        self.assertEqual([each.content for each in content.attachments], [inner])
        self.assertEqual([each.content_type for each in content.attachments], ["message/rfc822"])
        self.assertEqual(content.text, "")

    def test_digest(self) -> None:
        """A part of a digest is a mail without being told."""
        content = receive(mixed("--b\n\nSubject: x\n\nHi\n", subtype="digest"))
        self.assertEqual([each.content for each in content.attachments], [b"Subject: x\r\n\r\nHi"])

    def test_delivery_status(self) -> None:
        """A bounce is a text, a status and the mail that bounced."""
        status = "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\n"
        content = receive(
            mixed(
                part("A: b", "failed"),
                part("Content-Type: message/delivery-status", status),
                part("Content-Type: message/rfc822", "Subject: x\n\nHi"),
                subtype="report",
            )
        )
        self.assertEqual(content.text, "failed")
        self.assertEqual(
            [(each.content_type, each.content) for each in content.attachments],
            [
                ("message/delivery-status", wire(status)),
                ("message/rfc822", b"Subject: x\r\n\r\nHi"),
            ],
        )

    def test_transfer_encoding(self) -> None:
        """A transfer encoding is read in any case, and with a comment after it."""
        for value in ("base64", "BASE64", " base64 (because)", "base64;"):
            with self.subTest(value):
                content = receive(wire(f"Content-Transfer-Encoding: {value}\n\nSGVsbG8=\n"))
                self.assertEqual((content.text, content.defects), ("Hello", []))


class InlinePictures(unittest.TestCase):
    def test_shown_by_the_html(self) -> None:
        """A picture that the HTML refers to is inline, whatever it says of itself."""
        content = receive(
            mixed(
                part("Content-Type: text/html", "<img src='cid:a%40x'><td background=cid:b>"),
                part("Content-Type: image/png\nContent-ID: <a@x>\nContent-Disposition: attachment", "1"),
                part("Content-Type: image/png\nContent-ID: <b>", "2"),
                part("Content-Type: image/png\nContent-ID: <c>\nContent-Disposition: attachment", "3"),
                subtype="related",
            )
        )
        self.assertEqual(
            [(each.content_id, each.is_inline) for each in [*content.inline, *content.attachments]],
            [
                ("a@x", True),
                ("b", True),
                ("c", False),
            ],
        )

    def test_said_to_be(self) -> None:
        """A picture that says so is inline, a document is not."""
        content = receive(
            mixed(
                part("A: b", "x"),
                part("Content-Type: image/png\nContent-Disposition: inline", "1"),
                part("Content-Type: application/pdf\nContent-Disposition: inline", "2"),
            )
        )
        self.assertEqual([len(content.inline), len(content.attachments)], [1, 1])

    def test_apart(self) -> None:
        """A mail gives inline pictures apart from attachments."""
        message = letter(html='<img src="cid:logo">', attachments={"a.pdf": b"x"})
        body = message.get_body(("html",))
        assert body is not None
        body.add_related(b"PNG", "image", "png", cid="<logo>", filename="logo.png")
        email = receive(message)
        self.assertEqual([each.name for each in email.inline], ["logo.png"])
        self.assertEqual([each.name for each in email.attachments], ["a.pdf"])


class AttachedTexts(unittest.TestCase):
    def test_text(self) -> None:
        """An attached text can be read, in its charset, with plain line ends."""
        content = receive(
            mixed(part("A: b", "x")).replace(
                b"--b--",
                b"--b\r\nContent-Type: text/csv; charset=iso-8859-1; name=a\r\n\r\ngr\xfcn\r\nblau\r\n--b--",
            )
        )
        (attachment,) = content.attachments
        self.assertEqual((attachment.text, attachment.charset), ("grün\nblau", "iso-8859-1"))

    def test_text_of_bytes(self) -> None:
        """Bytes that are no text give some text, and raise nothing."""
        self.assertEqual(Attachment(name="", content_type="a/b", content=b"\xff").text, "ÿ")
