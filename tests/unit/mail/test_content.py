"""Links and one-time codes, and the failures that list what there is."""

from __future__ import annotations

import base64
import html as markup
import re
import unittest
from urllib.parse import quote

from hypothesis import assume, given
from hypothesis import strategies as st

from liveserver_testcase import ReceivedEmail, UsageError
from liveserver_testcase.mail.content import Link
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


class Links(unittest.TestCase):
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

    def test_by_text(self) -> None:
        """A link is found by a part of its text, a pattern, or a predicate."""
        self.assertEqual(WELCOME.link("your  address").path, "/confirm?token=a1&next=%2F")
        self.assertEqual(WELCOME.link(re.compile("^Our")).path, "/")
        self.assertEqual(WELCOME.links(lambda text: "nobody" in text), [])

    def test_by_url(self) -> None:
        """A link is found by a part of its address, a pattern, or a predicate."""
        self.assertEqual(WELCOME.link(url="/confirm").text, "confirm your address")
        self.assertEqual(WELCOME.link(url=re.compile("^mailto:")).text, "Write to us")
        self.assertEqual(WELCOME.link(url=lambda url: url.endswith("/help")).url, "https://shop.example/help")

    def test_both(self) -> None:
        """Text and address must both be as wanted."""
        self.assertEqual(WELCOME.links("confirm", url="/help"), [])

    def test_parts(self) -> None:
        """A link gives its path with the query, and the query's parameters decoded."""
        link = Link(url="https://shop.example?a=1&b=%2F&a=2&c=", text="")
        self.assertEqual((link.path, link.query), ("/?a=1&b=%2F&a=2&c=", {"a": "2", "b": "/", "c": ""}))

    def test_addresses_that_are_none(self) -> None:
        """An address that is malformed is a link all the same; it has no path."""
        (link,) = html("<a href='https://[x'>x</a>").links()
        self.assertEqual((link.url, link.path, link.query), ("https://[x", "", {}))

    def test_nowhere(self) -> None:
        """What leads nowhere is no link."""
        self.assertEqual(
            html("".join(f"<a href='{u}'>x</a>" for u in ("#a", "javascript:x()", "", "cid:1"))).links(), []
        )

    def test_line_ends_in_an_address(self) -> None:
        """An address is what a browser would follow: without line ends and spaces around."""
        self.assertEqual(html("<a href=' https://x/a\n  b '>x</a>").link().url, "https://x/a  b")

    def test_plain_text(self) -> None:
        """Of a plain text the punctuation after an address is not a part of it, brackets inside are."""
        for text, url in {
            "See https://x/a.": "https://x/a",
            "(see https://x/a)": "https://x/a",
            "https://x/Tea_(drink), and": "https://x/Tea_(drink)",
            "[here](https://x/a?b=[1])": "https://x/a?b=[1]",
            "<https://x/a>": "https://x/a",
            '"https://x/a",': "https://x/a",
            "HTTPS://X/A!?": "HTTPS://X/A",
            "https://x/ü": "https://x/ü",
            "»https://x/a«": "https://x/a",
        }.items():
            with self.subTest(text):
                self.assertEqual([link.url for link in plain(text).links()], [url])

    def test_no_address_in_a_plain_text(self) -> None:
        """What only begins like an address is none."""
        self.assertEqual(plain("https:// xhttp://a http://.").links(), [])


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
        for text in (
            f"({url})",
            f"[{url}]",
            f"「{url}」",
            f"（{url}）",
            f"“{url}”",
            f"*{url}*",
            f"_{url}_",
            f"~{url}~",
        ):
            self.check(plain(f"Go {text} now"), url)

    @given(
        URLS, st.sampled_from(["timestamp", "region", "copy", "section", "notify", "params", "lt", "amp", "order_id"])
    )
    def test_in_an_attribute(self, url: str, name: str) -> None:
        """An attribute is decoded as browsers do, whether the template has written ``&amp;`` or not."""
        wanted = f"{url}{'&' if '?' in url else '?'}id=1&{name}=2&{name}2"
        self.check(html(f'<a href="{wanted}">Go</a>'), wanted)
        self.check(html(f'<a href="{markup.escape(wanted)}">Go</a>'), wanted)

    def test_emphasis(self) -> None:
        """Characters that can be a part of an address are cut off only where they stand before it, too."""
        for text, url in {
            "https://x/abc_.": "https://x/abc_",
            "**https://x/abc**": "https://x/abc",
            "*see https://x/abc*": "https://x/abc*",
            "'https://x/abc', 'https://x/abc'": "https://x/abc",
            "https://x/u/o'brien?a=1": "https://x/u/o'brien?a=1",
            "[https://x/a](https://x/a)": "https://x/a",
        }.items():
            with self.subTest(text):
                self.check(plain(text), url)

    def test_chinese_and_japanese(self) -> None:
        """A word in Chinese ends an address, except where it is a part of the path."""
        for text, url in {
            "https://x/abcを参照": "https://x/abc",
            "https://x/wiki/日本": "https://x/wiki/日本",
            "https://x/?q=日本语 x": "https://x/?q=日本语",
        }.items():
            with self.subTest(text):
                self.check(plain(text), url)


class OneLink(unittest.TestCase):
    maxDiff = None

    def refuse(self, email: ReceivedEmail, message: str, *wanted: str, **more: object) -> None:
        with self.assertRaises(AssertionError) as caught:
            email.link(*wanted, **more)  # type: ignore[arg-type]
        self.assertEqual(str(caught.exception), message)

    def test_same_address(self) -> None:
        """Links to the same place are one: the picture, the button, the text."""
        email = html("<a href=https://x/a><img alt=Logo></a> <a href=https://x/a>Go</a>")
        self.assertEqual(email.link(), Link(url="https://x/a", text="Logo"))
        self.assertEqual(email.link("Go").text, "Go")

    def test_none(self) -> None:
        """If none is as wanted, those that there are are listed."""
        self.refuse(
            html("<a href=https://x/a>A</a>"),
            "no link with text='B', url='b', wanted exactly one. The email has these:\n    https://x/a  'A'",
            "B",
            url="b",
        )

    def test_none_at_all(self) -> None:
        """If there is none at all, that is said."""
        self.refuse(plain("Hi"), "no link, wanted exactly one. The email has no link at all.")

    def test_several(self) -> None:
        """If several are as wanted, all are listed."""
        self.refuse(
            html("<a href=https://x/a>A</a><a href=https://x/b>B\x1b</a>"),
            "2 links with url='x', wanted exactly one. Say more of it, or take it from email.links(). "
            "The email has these:\n    https://x/a  'A'\n    https://x/b  'B\\x1b'",
            url="x",
        )

    def test_many(self) -> None:
        """Of many the first twenty are listed."""
        with self.assertRaises(AssertionError) as caught:
            html("".join(f"<a href=https://x/{n}>{n}</a>" for n in range(30))).link()
        lines = str(caught.exception).splitlines()
        self.assertEqual((len(lines), lines[-2:]), (22, ["    https://x/19  '19'", "    … 10 more"]))

    def test_misuse(self) -> None:
        """What can be in no link, or in every one, is refused."""
        for wanted in (5, "", b"x"):
            with self.subTest(wanted), self.assertRaises(UsageError) as caught:
                WELCOME.link(wanted)  # type: ignore[arg-type]
            self.assertEqual(
                str(caught.exception),
                f"text={wanted!r}; wanted is a str to be contained, a compiled pattern or a callable.",
            )


class Codes(unittest.TestCase):
    maxDiff = None

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

    def test_html(self) -> None:
        """In HTML a code is what the reader sees, not what the source has."""
        email = html(
            "<style>p {color: #123456; width: 2000px}</style><p style='width:3000'>Code <b>77</b>88<!--9999-->"
        )
        self.assertEqual(email.code(), "7788")

    def test_subject(self) -> None:
        """If the body has none, the subject may."""
        self.assertEqual(receive(letter("123456 is your code", text="See the subject.")).code(), "123456")
        self.assertEqual(receive(letter("Order 1234", text="Code 5678")).code(), "5678")

    def test_html_besides_text(self) -> None:
        """If the text has none, the HTML may."""
        self.assertEqual(receive(letter(text="See the HTML.", html="<b>5678</b>")).code(), "5678")

    def refuse(self, email: ReceivedEmail, message: str, *digits: int, **more: str) -> None:
        with self.assertRaises(AssertionError) as caught:
            email.code(*digits, **more)
        self.assertEqual(str(caught.exception), message)

    def test_several(self) -> None:
        """If there are several, they are listed, and the advice is how to choose."""
        self.refuse(
            plain("Your code is 123456, your PIN 2026."),
            "2 codes, wanted exactly one. Say how many digits it has, code(6), or what it looks like, "
            r"code(pattern=r'PIN: (\d+)')."
            " The email has these:\n    '123456'\n    '2026'",
        )

    def test_none(self) -> None:
        """If there is none, what the mail says is shown."""
        self.refuse(
            plain("Hi Ann,\n\nno code \x1b today"),
            "no code with digits=6, wanted exactly one. The email says:\n    Hi Ann,\n    no code \\x1b today",
            6,
        )
        self.refuse(receive(b""), "no code, wanted exactly one. The email has no text at all.")

    def test_misuse(self) -> None:
        """What cannot be meant is refused."""
        for message, arguments in {
            "a code is told by digits or by pattern, not by both.": {"digits": 6, "pattern": "x"},
            "digits=0; wanted is how many digits the code has, 1 to 20.": {"digits": 0},
            "digits='6'; wanted is how many digits the code has, 1 to 20.": {"digits": "6"},
            "digits=True; wanted is how many digits the code has, 1 to 20.": {"digits": True},
        }.items():
            with self.subTest(arguments), self.assertRaises(UsageError) as caught:
                WELCOME.codes(**arguments)  # type: ignore[arg-type]
            self.assertEqual(str(caught.exception), message)


CODES = st.text("0123456789", min_size=4, max_size=8)


class AnyCode(unittest.TestCase):
    """Codes as services write them."""

    @given(
        CODES,
        st.sampled_from(
            [
                *("Your code is {}.", "Your code:{}", "PIN={}", "code:\n{}\n", "({})", "Your code: *{}*", "Code “{}”"),
                *(
                    "Your code: _{}_",
                    "您的验证码{}，五分钟内有效",
                    "認証コード:{}",
                    "{}은 인증 코드입니다",
                    "验证码是{}。",
                ),
                *("{} was asked for on 29 November 2026.", "{} (November 29, 2026)", "{}\n\n© 2026 Shop Ltd"),
                *(
                    "{} confirms your payment of 1500 EUR.",
                    "{} for $ 2000",
                    "{}\nCopyright 2019-2026 Shop",
                    "{}, 20.11.2026",
                ),
                *("{}，2026年11月29日", "{}。1500円"),
            ]
        ),
    )
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


class OneAttachment(unittest.TestCase):
    EMAIL = receive(
        b"Subject: x\r\n"
        + mixed(
            part("A: b", "text"),
            part('Content-Type: text/csv; charset=iso-8859-1; name="list.csv"', "gr\\xfcn"),
            part('Content-Type: application/pdf; name="inv-7.pdf"\nContent-Disposition: attachment', "%PDF"),
            part('Content-Type: image/png; name="logo.png"\nContent-Disposition: inline', "PNG"),
        )
    )

    def test_by_name_type_and_content(self) -> None:
        """An attachment is found by all that it is; inline pictures too."""
        for wanted, name in {
            "*.pdf": "inv-7.pdf",
            "inv-7.pdf": "inv-7.pdf",
            "text/*": "list.csv",
            "Image/PNG": "logo.png",
            b"%PDF": "inv-7.pdf",
            re.compile(r"\d"): "inv-7.pdf",
        }.items():
            with self.subTest(wanted):
                self.assertEqual(self.EMAIL.attachment(wanted).name, name)  # type: ignore[arg-type]
        self.assertEqual(self.EMAIL.attachment({"name": "inv*", "content": re.compile(b"^%")}).name, "inv-7.pdf")
        self.assertEqual(self.EMAIL.attachment(lambda each: each.is_inline).name, "logo.png")

    def test_the_only_one(self) -> None:
        """Without an argument it is the only one; inline pictures do not count."""
        email = receive(letter(attachments={"a.pdf": b""}))
        self.assertEqual(email.attachment().name, "a.pdf")

    def test_failures(self) -> None:
        """If there is none, or several, all are listed."""
        listed = (
            "\n    list.csv text/csv 7 bytes\n    inv-7.pdf application/pdf 4 bytes\n    logo.png image/png 3 bytes"
        )
        for message, arguments in {
            f"no attachment that is '*.txt', wanted exactly one. The email has these:{listed}": ["*.txt"],
            "2 attachments, wanted exactly one. Say more of it, or take it from email.attachments. "
            f"The email has these:{listed}": [],
        }.items():
            with self.subTest(arguments), self.assertRaises(AssertionError) as caught:
                self.EMAIL.attachment(*arguments)
            self.assertEqual(str(caught.exception), message)
        with self.assertRaises(AssertionError) as caught:
            receive(letter()).attachment()
        self.assertEqual(
            str(caught.exception), "no attachment, wanted exactly one. The email has no attachment at all."
        )

    def test_misuse(self) -> None:
        """What no attachment can be is refused."""
        with self.assertRaisesRegex(UsageError, "^attachment=5; wanted is a glob of the file's name, a content type"):
            self.EMAIL.attachment(5)  # type: ignore[arg-type]
