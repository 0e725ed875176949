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
from tests.unit.mail import mixed, part, receive, wire


def file(headers: str, content: str = "x") -> str:
    """A part that is an attachment."""
    return part(f"{headers}\nContent-Disposition: attachment", content)


TEXT = "text/plain"
ENCODED = "Content-Transfer-Encoding: {}\n\nSGVsbG8=\n"
STATUS = "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b\n"
# headers, folds and line ends of a forwarded email are unchanged
INNER_MAIL = b"Subject: a very\r\n  long\r\nX-Raw: gr\xfcn\r\n\r\nLine\r\n\r\n.\r\n"
FORWARD = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
ALTERNATIVES = mixed(
    part('Content-Type: text/plain; name="a.txt"', "Hi"),
    part('Content-Type: text/html; name="a.html"', "<p>Hi"),
    subtype="alternative",
)
TEXTS = mixed(
    part("Content-Disposition: attachment", "zero"),
    part('Content-Disposition: inline; filename="first.txt"', "one"),
    part('Content-Disposition: inline; filename="second.txt"', "two"),
    part("Content-Disposition: inline", "three"),
)
REPORT = mixed(
    part("A: b", "failed"),
    part("Content-Type: message/delivery-status", STATUS),
    part("Content-Type: message/rfc822", "Subject: x\n\nHi"),
    subtype="report",
)


class ContentTest(unittest.TestCase):
    """The texts and the attachments of an email."""

    def test_each(self) -> None:
        """Each source is this text and HTML, and these attachments: type, name and content."""
        for source, text, html, *attachments in (
            (wire("Subject: x\n\nHello\nAnn\n"), "Hello\nAnn", ""),
            # of the line ends at the end one is left out, and every kind of line end is the same
            (wire("\nHello\n\n\n"), "Hello\n\n", ""),
            (mixed(part("A: b", "Hello\n\n")), "Hello\n", ""),
            (b"\r\na\r\nb\nc\rd\r\n", "a\nb\nc\nd", ""),
            (b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xef\xbb\xbfHi", "Hi", ""),  # a byte order mark
            *((wire(ENCODED.format(name)), "Hello", "") for name in ("base64", "BASE64", " base64 (why)", "base64;")),
            # HTML alone, in several parts, and alternatives, also if they have names
            (wire("Content-Type: text/html\n\n<p>Hi\n"), "", "<p>Hi"),
            (mixed(part("Content-Type: text/html", "<p>1"), part("Content-Type: text/html", "<p>2")), "", "<p>1\n<p>2"),
            (ALTERNATIVES, "Hi", "<p>Hi"),
            # a text that goes on after a picture
            (
                mixed(part("A: b", "One"), part("Content-Type: image/png", "x"), part("A: b", "Two")),
                "One\nTwo",
                "",
                ("image/png", "", b"x"),
            ),
            # a text is an attachment if its disposition says so, or if it has a name and is not the first
            (TEXTS, "one\nthree", "", (TEXT, "", b"zero"), (TEXT, "second.txt", b"two")),
            # emails in an email: forwarded, in a digest, and in a bounce
            (FORWARD + INNER_MAIL + b"\r\n--b--\r\n", "", "", ("message/rfc822", "", INNER_MAIL)),
            (
                mixed("--b\n\nSubject: x\n\nHi\n", subtype="digest"),
                "",
                "",
                ("message/rfc822", "", b"Subject: x\r\n\r\nHi"),
            ),
            (
                REPORT,
                "failed",
                "",
                ("message/delivery-status", "", wire(STATUS)),
                ("message/rfc822", "", b"Subject: x\r\n\r\nHi"),
            ),
        ):
            with self.subTest(source):
                email = receive(source)
                self.assertEqual((email.text, email.html, email.defects), (text, html, []))
                found = [(each.content_type, each.name, each.content) for each in email.attachments]
                self.assertEqual(found, attachments)

    def test_names(self) -> None:
        """A name is found however it is written."""
        for header, wanted in {
            "Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.txt": "grün.txt",
            "Content-Disposition: attachment; filename*0*=utf-8''gr%C3; filename*1*=%BCn.txt": "grün.txt",
            'Content-Disposition: attachment; filename="=?utf-8?q?gr=C3=BCn=2Etxt?="': "grün.txt",
            'Content-Disposition: attachment; filename="grün.txt"': "grün.txt",
            "Content-Disposition: attachment; filename*=shift_jis''%87%40.pdf": "①.pdf",  # wider than its name
            'Content-Disposition: attachment;\n filename="a\n b.txt"': "a b.txt",
            'Content-Type: x/y; name="a.txt"\nContent-Disposition: attachment': "a.txt",
            'Content-Disposition: attachment; filename="../../etc/passwd"': "../../etc/passwd",
            "Content-Disposition: attachment": "",
        }.items():
            with self.subTest(header):
                email = receive(mixed(part("A: b", "text"), part(header, "x")))
                self.assertEqual(([each.name for each in email.attachments], email.defects), ([wanted], []))

    def test_name_without_charset(self) -> None:
        """The charset of a name may be left out (RFC 2231 §4)."""
        email = receive(mixed(part("Content-Disposition: attachment; filename*=%e2%82%ac.pdf", "x")))
        self.assertEqual([each.name for each in email.attachments], ["€.pdf"])

    def test_attached_text(self) -> None:
        """An attached text can be read, in its charset, with plain line ends; so can bytes that are no text."""
        source = b"--b\r\nContent-Type: text/csv; charset=iso-8859-1; name=a\r\n\r\ngr\xfcn\r\nblau\r\n--b--"
        (attachment,) = receive(mixed(part("A: b", "x")).replace(b"--b--", source)).attachments
        self.assertEqual((attachment.text, attachment.charset), ("grün\nblau", "iso-8859-1"))
        self.assertEqual(Attachment(name="", content_type="a/b", content=b"\xff").text, "ÿ")


class InlineTest(unittest.TestCase):
    """Pictures that are shown inside of the email."""

    def test_which(self) -> None:
        """A picture is inline if the HTML shows it, or if it says so itself; a document is not."""
        email = receive(
            mixed(
                part("Content-Type: text/html", "<img src='cid:a%40x'><td background=cid:b>"),
                file("Content-Type: image/png\nContent-ID: <a@x>"),
                part("Content-Type: image/png\nContent-ID: <b>", "2"),
                part("Content-Type: image/png; name=c\nContent-Disposition: inline", "3"),
                file("Content-Type: image/png\nContent-ID: <d>"),
                part("Content-Type: application/pdf; name=e\nContent-Disposition: inline", "5"),
            )
        )
        self.assertEqual([each.content_id or each.name for each in email.inline], ["a@x", "b", "c"])
        self.assertEqual([each.content_id or each.name for each in email.attachments], ["d", "e"])
        self.assertEqual({True}, {each.is_inline for each in email.inline})

    def test_where_it_is_shown(self) -> None:
        """Any attribute counts, decoded, and a style sheet; no text, comment or other address with these letters."""
        shown = (
            '<img src="cid:logo@x">', "<img src=cid:logo@x>", "<IMG SRC='CID:logo%40x'>", '<img src=" cid:logo@x ">',
            '<img src="cid:logo&#64;x">', '<td background="cid:logo@x">', '<img srcset="cid:logo@x 2x">',
            '<p style="background: url(cid:logo@x)">', "<style>p {background: url('cid:logo@x')}</style>",
        )  # fmt: skip
        named = (
            "<p>cid:logo@x</p>", "<!-- cid:logo@x -->", '<a href="https://x/?a=cid:logo@x">x</a>',
            '<img src="acid:logo@x">', "<p>&lt;img src=\"cid:logo@x\"&gt;</p>", '<img src="cid:logo@xy">',
        )  # fmt: skip
        logo = file("Content-Type: image/png\nContent-ID: <logo@x>")
        for html in shown + named:
            with self.subTest(html):
                email = receive(mixed(part("Content-Type: text/html; charset=utf-8", html), logo, subtype="related"))
                self.assertEqual(bool(email.inline), html in shown)


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
        self.assertEqual([(each.content_type, each.content) for each in email.attachments], [(kind, inner)])
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


PARAGRAPHS = st.lists(st.lists(st.text("abcü>-", min_size=1, max_size=9), max_size=30).map(" ".join), max_size=5)


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
