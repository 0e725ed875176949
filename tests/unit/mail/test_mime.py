"""The structure of a mail: texts, attachments and header fields."""

from __future__ import annotations

import base64
import binascii
import re
import unittest
from email.header import Header
from urllib.parse import quote

from hypothesis import assume, given
from hypothesis import strategies as st

from liveserver_testcase import Attachment
from tests.unit.mail import letter, mixed, part, receive, wire


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


NAMES = st.text(
    st.one_of(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), st.sampled_from("€ä;,\"\\'*%=?日 .")),
    min_size=1,
    max_size=30,
).map(lambda name: name.strip() + ".pdf")


class AnyName(unittest.TestCase):
    """File names in each of the ways in which senders write them."""

    def check(self, disposition: str, name: str, kind: str = "application/pdf") -> None:
        email = receive(
            mixed(part("A: b", "text"), part(f"Content-Type: {kind}\nContent-Disposition: {disposition}", "x"))
        )
        (attachment,) = email.attachments
        self.assertEqual((attachment.name, attachment.content, email.defects), (name, b"x", []))
        self.assertEqual(next(email.iter_attachments()).get_filename(), name)

    @given(NAMES)
    def test_rfc_2231(self, name: str) -> None:
        """A name in a charset, in one piece or in several, which may cut characters in two."""
        encoded = quote(name, safe="")
        self.check(f"attachment; filename*=utf-8''{encoded}", name)
        self.check(f"attachment; filename*=UTF-8'de'{encoded}", name)
        octets = re.findall("%..|.", encoded)
        first, second = "".join(octets[: len(octets) // 2]), "".join(octets[len(octets) // 2 :])
        self.check(f"attachment; filename*0*=utf-8''{first};\n filename*1*={second}", name)

    @given(NAMES)
    def test_rfc_6266(self, name: str) -> None:
        """Of a name and its ASCII fallback the name counts, whichever comes first, and in the content type, too."""
        encoded = quote(name, safe="")
        self.check(f"attachment; filename=\"EUR rates.pdf\"; filename*=utf-8''{encoded}", name)
        self.check(f"attachment; filename*=utf-8''{encoded}; filename=EUR.pdf", name)
        self.check("attachment", name, kind=f"application/pdf; name=\"EUR.pdf\"; name*=utf-8''{encoded}")

    @given(NAMES)
    def test_encoded_word(self, name: str) -> None:
        """A name in encoded words, which no rule allows inside quotes and many programs write."""
        word = Header(name, "utf-8", maxlinelen=10_000).encode()
        assume(word.startswith("=?"))
        self.check(f'attachment; filename="{word}"', name)

    @given(NAMES)
    def test_raw(self, name: str) -> None:
        """A name in UTF-8 that is not encoded at all."""
        assume("=?" not in name)
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        self.check(f'attachment; filename="{quoted}"', name)

    def test_no_charset(self) -> None:
        """The charset may be left out (RFC 2231 §4)."""
        email = receive(mixed(part("Content-Type: a/b\nContent-Disposition: attachment; filename*=%e2%82%ac.pdf", "x")))
        self.assertEqual([each.name for each in email.attachments], ["€.pdf"])

    def test_wider_charset(self) -> None:
        """The charset of a name is looked up as that of a text is."""
        email = receive(
            mixed(part("Content-Type: a/b\nContent-Disposition: attachment; filename*=shift_jis''%87%40.pdf", "x"))
        )
        self.assertEqual([each.name for each in email.attachments], ["①.pdf"])


ENCODINGS = {
    "7bit": lambda data: data,
    "8bit": lambda data: data,
    "binary": lambda data: data,
    "base64": lambda data: base64.encodebytes(data).replace(b"\n", b"\r\n"),
    "quoted-printable": lambda data: binascii.b2a_qp(data, istext=False).replace(b"=\n", b"=\r\n"),
}
INNER = st.builds(
    lambda header, body: b"\r\n".join([*header, b"", *body, b""]),
    st.lists(st.sampled_from([b"From:ann@example.com", b"DKIM-Signature:v=1;b=x", b"Subject: a very", b"  long one"])),
    st.lists(st.sampled_from([b"hello", b"", b"a = b", b".", b"gr\xfcn", b"--c", b"From x"])),
)


class AnyEnclosedMessage(unittest.TestCase):
    """Emails, and reports on emails, that are sent inside of one: their bytes are those that were sent."""

    @given(
        st.sampled_from(["message/rfc822", "message/global", "message/delivery-status", "message/partial"]),
        INNER,
        st.sampled_from(sorted(ENCODINGS)),
    )
    def test_content(self, kind: str, inner: bytes, encoding: str) -> None:
        """Every transfer encoding is undone, and nothing is written anew."""
        head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee there\r\n--b\r\n"
        head += f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        email = receive(head + ENCODINGS[encoding](inner) + b"\r\n--b--\r\n")
        self.assertEqual(
            [(each.content_type, each.content) for each in email.attachments],
            [(kind, inner)],
        )
        self.assertEqual(email.text, "see there")

    def test_as_python_sees_it(self) -> None:
        """Python's tree has the message that was sent in base64, with its header and its parts."""
        inner = b"Subject: inner\r\n" + mixed(part("A: b", "one"), part("Content-Type: text/html", "<p>"))
        encoded = base64.encodebytes(inner).decode()
        email = receive(mixed(part("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", encoded)))
        (message,) = email.get_payload()[0].get_payload()
        self.assertEqual(message["Subject"], "inner")
        self.assertEqual(
            [each.get_content_type() for each in email.walk()],
            ["multipart/mixed", "message/rfc822", "multipart/mixed", "text/plain", "text/html"],
        )
        self.assertEqual(email.text, "")

    def test_damaged_encoding(self) -> None:
        """What is wrong with the encoding of an enclosed message is a defect."""
        email = receive(
            mixed(part("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "U3ViamVjdDogeA"))
        )
        self.assertEqual(email.defects, ["message/rfc822 part: damaged base64"])
        self.assertEqual(email.attachments[0].content, b"Subject: x")


PARAGRAPHS = st.lists(
    st.lists(st.text("abcü>-", min_size=1, max_size=9), max_size=30).map(" ".join),
    max_size=5,
)


class FlowedText(unittest.TestCase):
    """Texts of ``format=flowed`` (RFC 3676)."""

    def flow(self, paragraphs: list[str], *, delsp: bool) -> str:
        """Break paragraphs into lines as a mail program does."""
        lines = []
        for paragraph in paragraphs:
            words = paragraph.split(" ")
            for number, word in enumerate(words):
                line = word + ("" if number == len(words) - 1 else "  " if delsp else " ")
                lines.append(" " + line if line.startswith((" ", ">", "From ")) else line)
        return "\n".join(lines)

    @given(PARAGRAPHS, st.booleans())
    def test_paragraphs(self, paragraphs: list[str], delsp: bool) -> None:
        """A paragraph is one line, as its writer had it."""
        assume(all(not paragraph.startswith("-- ") and paragraph != "--" for paragraph in paragraphs))
        assume(not any("-- " in f"{paragraph} " for paragraph in paragraphs))
        kind = f"text/plain; charset=utf-8; format=flowed; delsp={'yes' if delsp else 'no'}"
        email = receive(f"Content-Type: {kind}\n\n{self.flow(paragraphs, delsp=delsp)}\n")
        self.assertEqual(email.text, "\n".join(paragraphs))

    def test_quotes_and_signature(self) -> None:
        """Quotes stay quotes of their depth, and the line before a signature stays alone."""
        text = "> one \n> two\n>> three \n> four \nfive\n-- \nAnn \nLee"
        email = receive(f"Content-Type: text/plain; format=flowed\n\n{text}\n")
        self.assertEqual(email.text, "> one two\n>> three \n> four \nfive\n-- \nAnn Lee")

    def test_links(self) -> None:
        """With delsp, an address that was broken in two is whole."""
        text = "Go to https://x/a \nbc now"
        email = receive(f"Content-Type: text/plain; format=flowed; delsp=yes\n\n{text}\n")
        self.assertEqual(email.link().url, "https://x/abc")


class UUEncode(unittest.TestCase):
    """Attachments in uuencode, which some old programs send."""

    @given(st.binary(max_size=200), st.sampled_from(["x-uuencode", "uuencode", "x-uue", "UUENCODE"]))
    def test_any_content(self, content: bytes, encoding: str) -> None:
        """The content is decoded, and it is no defect."""
        lines = [binascii.b2a_uu(content[start : start + 45]).decode() for start in range(0, len(content), 45)]
        body = f"begin 644 a.bin\n{''.join(lines)}`\nend"
        email = receive(mixed(part(f"Content-Type: a/b\nContent-Transfer-Encoding: {encoding}", body)))
        self.assertEqual(([each.content for each in email.attachments], email.defects), ([content], []))

    @given(st.binary(min_size=1, max_size=200), st.booleans())
    def test_inside_a_text(self, content: bytes, is_stripped: bool) -> None:
        """A file that stands in a text is an attachment; mail programs may have stripped the ends of its lines."""
        lines = [binascii.b2a_uu(content[start : start + 45]).decode() for start in range(0, len(content), 45)]
        if is_stripped:
            lines = [line.rstrip() + "\n" for line in lines]
        email = receive(f"\nSee there:\n\nbegin 644 a b.bin\n{''.join(lines)}`\nend\nBye\n")
        self.assertEqual([(each.name, each.content) for each in email.attachments], [("a b.bin", content)])
        self.assertEqual((email.text, email.defects), ("See there:\n\nBye", []))

    def test_a_text_about_it(self) -> None:
        """A text that only begins like a file is a text."""
        for text in ("begin 644 x\nto code\nend", "begin 644 x\n\nend", "begin 644 a.bin\n#0V%T"):
            with self.subTest(text):
                email = receive(f"\n{text}\n")
                self.assertEqual((email.text, email.attachments), (text, []))

    def test_what_is_none(self) -> None:
        """What is not in uuencode though it says so is left as it is."""
        email = receive(mixed(part("Content-Type: a/b\nContent-Transfer-Encoding: x-uuencode", "plain")))
        self.assertEqual(email.attachments[0].content, b"plain")
        self.assertEqual(email.defects, ["a/b part: no uuencode, left as it is"])


class PicturesByAttribute(unittest.TestCase):
    """A picture is inline where an attribute or a style of the HTML shows it, and not where a text names it."""

    def is_inline(self, html: str) -> bool:
        email = receive(
            mixed(
                part("Content-Type: text/html; charset=utf-8", html),
                part("Content-Type: image/png\nContent-ID: <logo@x>\nContent-Disposition: attachment", "1"),
                subtype="related",
            )
        )
        return bool(email.inline)

    def test_shown(self) -> None:
        """Any attribute counts, decoded, and a style sheet does."""
        for html in (
            '<img src="cid:logo@x">', "<img src=cid:logo@x>", "<IMG SRC='CID:logo%40x'>", '<img src="cid:logo&#64;x">',
            '<td background="cid:logo@x">', '<p style="background: url(cid:logo@x)">', '<img srcset="cid:logo@x 2x">',
            "<style>p {background: url('cid:logo@x')}</style>", '<img src=" cid:logo@x ">',
        ):  # fmt: skip
            with self.subTest(html):
                self.assertTrue(self.is_inline(html))

    def test_named(self) -> None:
        """A text, a comment or another address with these letters shows nothing."""
        for html in (
            "<p>cid:logo@x</p>", "<!-- cid:logo@x -->", '<a href="https://x/?a=cid:logo@x">x</a>',
            '<img src="acid:logo@x">', "<p>&lt;img src=\"cid:logo@x\"&gt;</p>", '<img src="cid:logo@xy">',
        ):  # fmt: skip
            with self.subTest(html):
                self.assertFalse(self.is_inline(html))
