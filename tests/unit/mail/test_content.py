"""What a person finds in an email: the text of its HTML, links, one-time codes, and attachments."""

from __future__ import annotations

import base64
import html as markup
import re
import unittest
from unittest import mock
from urllib.parse import quote

from hypothesis import assume, given
from hypothesis import strategies as st

from liveserver_testcase import ReceivedEmail, UsageError
from liveserver_testcase.mail import content
from liveserver_testcase.mail.content import Link, read_html
from tests.unit.mail import letter, mixed, part, receive

WELCOME = receive(
    letter(
        "Welcome",
        text="Hi Ann,\n\nconfirm at https://shop.example/confirm?token=a1&next=%2F. Or write:\n<https://shop.example/help>",
        html='<p>Hi Ann, <a href="https://shop.example/confirm?token=a1&amp;next=%2F">confirm <b>your address</b></a>.'
        '<p><a href="https://shop.example/"><img src="cid:logo" alt="Our shop"></a> <a href="#top">Top</a>'
        '<a href="mailto:help@shop.example">Write to us</a>',
        attachments={"a.html": b'<a href="https://elsewhere.example/">no</a>'},
    )
)


def plain(text: str) -> ReceivedEmail:
    return receive(letter(text=text))


def html(source: str) -> ReceivedEmail:
    return receive(f"Content-Type: text/html\n\n{source}\n")


class HTMLTest(unittest.TestCase):
    """HTML as its reader sees it."""

    def check(self, source: str, text: str, *notes: str) -> None:
        found: list[str] = []
        self.assertEqual((read_html(source, found.append).text, found), (text, list(notes)))

    def test_text(self) -> None:
        """Blocks are lines, white space is folded, entities are decoded once, and what is not seen is left out."""
        for source, text in {
            "<h1>Hi</h1><p>Your <b>co</b>de<br>is 42</p>\n\n<ul><li>a<li>b</ul>": "Hi\nYour code\nis 42\na\nb",
            "<table><tr><td>Tea<td>3.50<tr><td>Milk<td>1.00</table>": "Tea 3.50\nMilk 1.00",
            "a\n  b&nbsp;c&shy;d\u200be": "a b cde",
            "a &amp; b &lt;c&gt; &#x20ac; &amp;amp;": "a & b <c> € &amp;",
            "<head><title>x</title><style>p {color: #123456}</style></head>a<!-- 654321 -->b": "ab",
            "a<script>if (1 < 2) {}</script><template>y</template>b<title/>c": "abc",
            '<img src=x alt="Our shop"> sells <img src=y>tea': "Our shop sells tea",
            # not closed, or closed twice
            "<p>a<b>b</p></i></b>c": "ab\nc",
            "<style>x": "",
            "</style></title>x": "x",
        }.items():
            with self.subTest(source):
                self.check(source, text)

    def test_what_is_left_out(self) -> None:
        """Of HTML beyond all measure, or on which Python's parser raises, the beginning is read."""
        with mock.patch.object(content, "_LONGEST", 7):
            self.check("<p>Hello</p>", "Hell", "HTML: 12 characters, of which the first 7 are read")
        with mock.patch.object(content._Reader, "handle_endtag", side_effect=AssertionError("boom")):
            self.check("<p>a\n<b>b</b>c", "a b", "HTML: read up to line 2 (AssertionError)")

    def test_anchors(self) -> None:
        """A link has its address and its text, folded, or that of a picture; it ends with the next one, or the mail."""
        for source, *anchors in (
            ('<a href="/a?b=1&amp;c=2">Con<b>firm\n  now</b></a>', ("/a?b=1&c=2", "Confirm now")),
            ('<a href=/a><img alt="Go"></a>', ("/a", "Go")),
            ('<map><area href=/b alt="North"></map>x', ("/b", "North")),
            ("<a href=/1>one <a href=/2>two", ("/1", "one"), ("/2", "two")),
            ("<a name=top>Top</a><a>x</a>",),  # no address, no link
        ):
            with self.subTest(source):
                self.assertEqual(list(read_html(source, lambda _: None).anchors), anchors)


class LinksTest(unittest.TestCase):
    """Which links an email has, and which are meant."""

    def test_all(self) -> None:
        """The links of the HTML come first, then those that only the text has; attachments have none."""
        self.assertEqual(
            WELCOME.links(),
            [
                Link(url="https://shop.example/confirm?token=a1&next=%2F", text="confirm your address"),
                Link(url="https://shop.example/", text="Our shop"),
                Link(url="mailto:help@shop.example", text="Write to us"),
                Link(url="https://shop.example/help", text="https://shop.example/help"),
            ],
        )

    def test_by_text_and_url(self) -> None:
        """A link is found by a part of its text and its address, a pattern, or a predicate."""
        confirm, shop, write, help_ = WELCOME.links()
        for text, url, wanted in (
            ("your  address", None, [confirm]),
            (re.compile("^Our"), None, [shop]),
            (lambda text: "nobody" in text, None, []),
            (None, "/confirm", [confirm]),
            (None, re.compile("^mailto:"), [write]),
            (None, lambda url: url.endswith("/help"), [help_]),
            ("confirm", "/help", []),
        ):
            with self.subTest(text=text, url=url):
                self.assertEqual(WELCOME.links(text, url=url), wanted)

    def test_parts(self) -> None:
        """A link gives its path with the query, and the query's parameters decoded; a malformed address has none."""
        link = Link(url="https://shop.example?a=1&b=%2F&a=2&c=", text="")
        self.assertEqual((link.path, link.query), ("/?a=1&b=%2F&a=2&c=", {"a": "2", "b": "/", "c": ""}))
        (link,) = html("<a href='https://[x'>x</a>").links()
        self.assertEqual((link.url, link.path, link.query), ("https://[x", "", {}))

    def test_where_html_leads(self) -> None:
        """An address is what a browser would follow, without line ends; what leads nowhere is no link."""
        self.assertEqual(html("<a href=' https://x/a\n  b '>x</a>").link().url, "https://x/a  b")
        for url in ("#a", "javascript:x()", "", "cid:1"):
            self.assertEqual(html(f"<a href='{url}'>x</a>").links(), [])

    def test_plain_text(self) -> None:
        """Punctuation after an address is not a part of it, brackets inside are; emphasis only stands around it."""
        for text, *urls in (
            ("See https://x/a.", "https://x/a"),
            ("(see https://x/a)", "https://x/a"),
            ("https://x/Tea_(drink), and", "https://x/Tea_(drink)"),
            ("[here](https://x/a?b=[1])", "https://x/a?b=[1]"),
            ("<https://x/a>", "https://x/a"),
            ('"https://x/a",', "https://x/a"),
            ("HTTPS://X/A!?", "HTTPS://X/A"),
            ("https://x/ü", "https://x/ü"),
            ("»https://x/a«", "https://x/a"),
            ("https:// xhttp://a http://.",),
            ("https://x/abc_.", "https://x/abc_"),
            ("**https://x/abc**", "https://x/abc"),
            ("*see https://x/abc*", "https://x/abc*"),
            ("'https://x/abc', 'https://x/abc'", "https://x/abc"),
            ("https://x/u/o'brien?a=1", "https://x/u/o'brien?a=1"),
            ("[https://x/a](https://x/a)", "https://x/a"),
            # a word in Chinese ends an address, except where it is a part of the path
            ("https://x/abcを参照", "https://x/abc"),
            ("https://x/wiki/日本", "https://x/wiki/日本"),
            ("https://x/?q=日本语 x", "https://x/?q=日本语"),
        ):
            with self.subTest(text):
                self.assertEqual([link.url for link in plain(text).links()], urls)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TOKENS = st.binary(min_size=1, max_size=24).map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode())
URLS = st.one_of(
    st.builds("https://shop.example/reset/{}".format, TOKENS),
    st.builds("https://shop.example/reset?token={}".format, TOKENS),
    WORDS.map(lambda word: f"https://shop.example/{quote(word)}"),
    WORDS.map(lambda word: f"http://shop.example/{quote(word, safe='')}?q={quote(word)}"),
    WORDS.map(lambda word: "https://shop.example/u/" + quote(word, safe="~*'")),  # as encodeURIComponent leaves it
)


class AnyURL(unittest.TestCase):
    """Links to whatever `urllib.parse.quote` and `secrets.token_urlsafe` can make."""

    def check(self, email: ReceivedEmail, url: str) -> None:
        self.assertEqual([link.url for link in email.links()], [url])

    @given(
        URLS,
        st.sampled_from(
            ["{}", "Go to {} now", "Here:\n{}\nBye", "请访问{} 谢谢", "このリンク{}\u3000を", "{}\u200bnext"]
        ),
    )
    def test_in_text(self, url: str, text: str) -> None:
        """An address in a text is found whole, also where no space is before it; a dot at its end is the sentence's."""
        assume(not url.endswith("."))
        self.check(plain(text.format(url)), url)

    @given(URLS, st.sampled_from(".,;:!?…，。、；：！？）」』】》»”"))
    def test_before_punctuation(self, url: str, mark: str) -> None:
        """Punctuation behind an address is no part of it, in Latin as in Chinese and Japanese."""
        assume(not url.endswith("."))
        self.check(plain(f"Go to {url}{mark}"), url)
        self.check(plain(f"Go to {url}{mark} Bye"), url)

    @given(URLS)
    def test_in_brackets(self, url: str) -> None:
        """What encloses an address is no part of it; in angle brackets a dot at its end is."""
        self.check(plain(f"Go to <{url}> now"), url)
        assume(not url.endswith("."))
        for before, behind in ("()", "[]", "「」", "（）", "“”", "**", "__", "~~"):
            self.check(plain(f"Go {before}{url}{behind} now"), url)

    @given(
        URLS, st.sampled_from(["timestamp", "region", "copy", "section", "notify", "params", "lt", "amp", "order_id"])
    )
    def test_in_an_attribute(self, url: str, name: str) -> None:
        """An attribute is decoded as browsers do, whether the template has written ``&amp;`` or not."""
        wanted = f"{url}{'&' if '?' in url else '?'}id=1&{name}=2&{name}2"
        self.check(html(f'<a href="{wanted}">Go</a>'), wanted)
        self.check(html(f'<a href="{markup.escape(wanted)}">Go</a>'), wanted)


class OneTest(unittest.TestCase):
    """``link()``, ``code()`` and ``attachment()``: there must be exactly one, or all are listed."""

    maxDiff = None
    EMAIL = receive(
        b"Subject: x\r\n"
        + mixed(
            part("A: b", "text"),
            part('Content-Type: text/csv; charset=iso-8859-1; name="list.csv"', "gr\\xfcn"),
            part('Content-Type: application/pdf; name="inv-7.pdf"\nContent-Disposition: attachment', "%PDF"),
            part('Content-Type: image/png; name="logo.png"\nContent-Disposition: inline', "PNG"),
        )
    )

    def test_link(self) -> None:
        """Links to the same place are one: the picture, the button, the text."""
        email = html("<a href=https://x/a><img alt=Logo></a> <a href=https://x/a>Go</a>")
        self.assertEqual((email.link().text, email.link("Go").text), ("Logo", "Go"))

    def test_attachment(self) -> None:
        """An attachment is found by all that it is, inline pictures too; without an argument they do not count."""
        for wanted, name in (
            ("*.pdf", "inv-7.pdf"),
            ("inv-7.pdf", "inv-7.pdf"),
            ("text/*", "list.csv"),
            ("Image/PNG", "logo.png"),
            (b"%PDF", "inv-7.pdf"),
            (re.compile(r"\d"), "inv-7.pdf"),
            ({"name": "inv*", "content": re.compile(b"^%")}, "inv-7.pdf"),
            (lambda each: each.is_inline, "logo.png"),
        ):
            with self.subTest(wanted):
                self.assertEqual(self.EMAIL.attachment(wanted).name, name)  # type: ignore[arg-type]
        self.assertEqual(receive(letter(attachments={"a.pdf": b""})).attachment().name, "a.pdf")

    def test_failures(self) -> None:
        """If there is none, or several, the message lists what there is, and how to choose."""
        two = html("<a href=https://x/a>A</a><a href=https://x/b>B\x1b</a>")
        files = "\n    list.csv text/csv 7 bytes\n    inv-7.pdf application/pdf 4 bytes\n    logo.png image/png 3 bytes"
        pin = r"Say how many digits it has, code(6), or what it looks like, code(pattern=r'PIN: (\d+)')."
        more = "Say more of it, or take it from"
        these = "The email has these:\n    https://x/a  'A'"
        no_code = plain("Hi Ann,\n\nno code \x1b today")
        for call, message in (
            (
                lambda: html("<a href=https://x/a>A</a>").link("B", url="b"),
                f"no link with text='B', url='b', wanted exactly one. {these}",
            ),
            (lambda: plain("Hi").link(), "no link, wanted exactly one. The email has no link at all."),
            (
                lambda: two.link(url="x"),
                f"2 links with url='x', wanted exactly one. {more} email.links(). {these}\n    https://x/b  'B\\x1b'",
            ),
            (
                lambda: self.EMAIL.attachment("*.txt"),
                f"no attachment that is '*.txt', wanted exactly one. The email has these:{files}",
            ),
            (
                self.EMAIL.attachment,
                f"2 attachments, wanted exactly one. {more} email.attachments. The email has these:{files}",
            ),
            (
                lambda: receive(letter()).attachment(),
                "no attachment, wanted exactly one. The email has no attachment at all.",
            ),
            (
                lambda: plain("Your code is 123456, your PIN 2026.").code(),
                f"2 codes, wanted exactly one. {pin} The email has these:\n    '123456'\n    '2026'",
            ),
            (
                lambda: no_code.code(6),
                "no code with digits=6, wanted exactly one. The email says:\n    Hi Ann,\n    no code \\x1b today",
            ),
            (lambda: receive(b"").code(), "no code, wanted exactly one. The email has no text at all."),
        ):
            with self.subTest(message), self.assertRaises(AssertionError) as caught:
                call()
            self.assertEqual(str(caught.exception), message)

    def test_many(self) -> None:
        """Of many the first twenty are listed."""
        with self.assertRaises(AssertionError) as caught:
            html("".join(f"<a href=https://x/{n}>{n}</a>" for n in range(30))).link()
        lines = str(caught.exception).splitlines()
        self.assertEqual((len(lines), lines[-2:]), (22, ["    https://x/19  '19'", "    … 10 more"]))

    def test_misuse(self) -> None:
        """What can be in none, or in every one, is refused."""
        one = "wanted is a str to be contained, a compiled pattern or a callable."
        digits = "wanted is how many digits the code has, 1 to 20."
        for call, options, message in (
            *((WELCOME.link, {"text": each}, f"text={each!r}; {one}") for each in (5, "", b"x")),
            (WELCOME.codes, {"digits": 6, "pattern": "x"}, "a code is told by digits or by pattern, not by both."),
            *((WELCOME.codes, {"digits": each}, f"digits={each!r}; {digits}") for each in (0, "6", True)),
        ):
            with self.subTest(message), self.assertRaises(UsageError) as caught:
                call(**options)  # type: ignore[operator]
            self.assertEqual(str(caught.exception), message)
        with self.assertRaisesRegex(UsageError, "^attachment=5; wanted is a glob of the file's name, a content type"):
            self.EMAIL.attachment(5)  # type: ignore[arg-type]


class CodesTest(unittest.TestCase):
    """Which numbers are codes, and where they are looked for."""

    def test_codes(self) -> None:
        """A number of four to eight digits that stands alone is a code."""
        for text, codes in {
            "Your code is 123456.": ["123456"],
            "Code: 1234\nvalid until": ["1234"],
            "Code:1234": ["1234"],
            "(12345678)": ["12345678"],
            "123 456 is your code": ["123456"],
            "Your code: 123-456": ["123456"],
            "1234 and 1234 and 5678": ["1234", "5678"],
            "G-123456": ["123456"],
            "123456789 or 123": [],
            "€1234 1234€ 1,234 1234.50 $ 99.1234": [],
            "2026-11-20 20.11.2026 11/2026 12:3000": [],
            "+49 30 123456 and 0049 30 1234567": [],
            "order #123456, abc1234": [],
            "https://x/c?code=123456 https://x/123456/": [],
        }.items():
            with self.subTest(text):
                self.assertEqual(plain(text).codes(), codes)

    def test_digits(self) -> None:
        """Of several numbers the one with so many digits is the code."""
        email = plain("Your code is 123456. © 2026 Shop, 12345 Town")
        self.assertEqual((email.code(6), email.codes(5), email.codes(4)), ("123456", ["12345"], []))
        self.assertEqual(plain("PIN 123 456").code(6), "123456")

    def test_pattern(self) -> None:
        """A code that is no number is found by a pattern; its first group is the code."""
        self.assertEqual(plain("Use ABC-DEF now").code(pattern="[A-Z]{3}-[A-Z]{3}"), "ABC-DEF")
        self.assertEqual(plain("G-123456 is it").code(pattern=re.compile(r"G-(\d+)")), "123456")

    def test_where(self) -> None:
        """A code is what the reader sees: of the text, or else the HTML, or else the subject."""
        style = "<style>p {color: #123456; width: 2000px}</style>"
        for email, code in (
            (html(f"{style}<p style='width:3000'>Code <b>77</b>88<!--9999-->"), "7788"),
            (receive(letter("123456 is your code", text="See the subject.")), "123456"),
            (receive(letter("Order 1234", text="Code 5678")), "5678"),
            (receive(letter(text="See the HTML.", html="<b>5678</b>")), "5678"),
        ):
            self.assertEqual(email.code(), code)


CODES = st.text("0123456789", min_size=4, max_size=8)


class AnyCode(unittest.TestCase):
    """Codes as services write them."""

    @given(
        CODES,
        st.sampled_from(
            [
                "Your code is {}.", "Your code:{}", "PIN={}", "code:\n{}\n", "({})", "Your code: *{}*", "Code “{}”",
                "Your code: _{}_", "您的验证码{}，五分钟内有效", "認証コード:{}", "{}은 인증 코드입니다",
                "验证码是{}。",
                "{} was asked for on 29 November 2026.", "{} (November 29, 2026)", "{}\n\n© 2026 Shop Ltd",
                "{} confirms your payment of 1500 EUR.", "{} for $ 2000", "{}\nCopyright 2019-2026 Shop",
                "{}, 20.11.2026", "{}，2026年11月29日", "{}。1500円",
            ]
        ),
    )  # fmt: skip
    def test_in_text(self, code: str, text: str) -> None:
        """A code is found in any of them, and years, dates and prices are none."""
        self.assertEqual(plain(text.format(code)).codes(), [code])

    @given(CODES)
    def test_in_html(self, code: str) -> None:
        """A code is found where tags touch it, or split it."""
        middle = len(code) // 2
        for source in (
            f"<p><span>Your code:</span><b>{code}</b></p><small>&copy; 2026 Shop Ltd</small>",
            f"<span>{code[:middle]}</span><span>{code[middle:]}</span>",
            f"<table><tr><td>Code</td><td>{code}</td></tr></table>",
        ):
            self.assertEqual(html(source).codes(), [code])

    @given(CODES)
    def test_in_boxes(self, code: str) -> None:
        """Digits in boxes of their own are one code, unless they are a scale to choose from."""
        assume(code not in "0123456789")
        for tag in ("td", "div", "span style='padding:4px'"):
            boxes = "&nbsp;".join(f"<{tag}>{digit}</{tag.split()[0]}>" for digit in code)
            self.assertEqual(html(f"<table><tr>{boxes}</tr></table>").codes(), [code])

    @given(st.text("0123456789", min_size=6, max_size=6), st.sampled_from(["G-{} is your code.", "Code: AB-{}"]))
    def test_prefix(self, code: str, text: str) -> None:
        """A prefix is no part of a code."""
        self.assertEqual(plain(text.format(code)).codes(), [code])

    def test_none(self) -> None:
        """Years, dates, prices, postal codes, scales, and numbers in words and addresses are no codes."""
        for text in (
            "© 2026 Shop", "(c) 2019–2026 Shop", "2026 Shop. All rights reserved", "29 November 2026",
            "Nov. 29th, 2026", "12. März 2026", "el 3 de mayo de 2026", "since 1999", "2026年11月", "2026-11-29",
            "1500 €", "EUR 1500", "$1500", "1500円", "D-80331 München", "1 2 3 4 5", "v1234", "user_1234",
            "https://x/1234", "/go?code=123456",
        ):  # fmt: skip
            with self.subTest(text):
                self.assertEqual(plain(text).codes(), [])
