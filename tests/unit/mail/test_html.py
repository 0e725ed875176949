"""HTML as its reader sees it."""

from __future__ import annotations

import unittest
from unittest import mock

from liveserver_testcase.mail import content
from liveserver_testcase.mail.content import read_html


class HTMLCase(unittest.TestCase):
    notes: list[str]

    def setUp(self) -> None:
        self.notes = []

    def text(self, source: str) -> str:
        return read_html(source, self.notes.append).text

    def anchors(self, source: str) -> list[tuple[str, str]]:
        return list(read_html(source, self.notes.append).anchors)


class Text(HTMLCase):
    def test_blocks(self) -> None:
        """Each block is a line, and tags inside a line leave no trace."""
        self.assertEqual(
            self.text("<h1>Hi</h1><p>Your <b>co</b>de<br>is 42</p>\n\n<ul><li>a<li>b</ul>"),
            "Hi\nYour code\nis 42\na\nb",
        )

    def test_cells(self) -> None:
        """Cells of a table stand apart."""
        self.assertEqual(self.text("<table><tr><td>Tea<td>3.50<tr><td>Milk<td>1.00</table>"), "Tea 3.50\nMilk 1.00")

    def test_white_space(self) -> None:
        """White space is folded, and what is hidden in it is not there."""
        self.assertEqual(self.text("a\n  b&nbsp;c&shy;d\u200be"), "a b cde")

    def test_entities(self) -> None:
        """Entities are decoded, once."""
        self.assertEqual(self.text("a &amp; b &lt;c&gt; &#x20ac; &amp;amp;"), "a & b <c> € &amp;")

    def test_unseen(self) -> None:
        """Nobody sees styles, scripts, the title and comments."""
        self.assertEqual(
            self.text(
                "<head><title>x</title><style>p {color: #123456}</style></head>a<script>if (1 < 2) {}</script>"
                "<!-- 654321 --><template>y</template>b<title/>c"
            ),
            "abc",
        )

    def test_pictures(self) -> None:
        """A picture is what its alternative text says."""
        self.assertEqual(self.text('<img src=x alt="Our shop"> sells <img src=y>tea'), "Our shop sells tea")

    def test_broken(self) -> None:
        """Whatever is not closed, or closed twice, is read."""
        self.assertEqual(self.text("<p>a<b>b</p></i></b>c"), "ab\nc")
        self.assertEqual(self.text("<style>x"), "")
        self.assertEqual(self.text("</style></title>x"), "x")
        self.assertEqual(self.notes, [])

    def test_too_long(self) -> None:
        """Of HTML beyond all measure the beginning is read, and the rest is noted."""
        with mock.patch.object(content, "_LONGEST", 7):
            self.assertEqual(self.text("<p>Hello</p>"), "Hell")
        self.assertEqual(self.notes, ["HTML: 12 characters, of which the first 7 are read"])

    def test_what_python_cannot_parse(self) -> None:
        """What comes before that on which Python's parser raises is read, and the rest is noted."""
        with mock.patch.object(content._Reader, "handle_endtag", side_effect=AssertionError("boom")):
            self.assertEqual(self.text("<p>a\n<b>b</b>c"), "a b")
        self.assertEqual(self.notes, ["HTML: read up to line 2 (AssertionError)"])


class Anchors(HTMLCase):
    def test_text(self) -> None:
        """A link has its address and its text, folded."""
        self.assertEqual(
            self.anchors('<a href="/a?b=1&amp;c=2">Con<b>firm\n  now</b></a>'), [("/a?b=1&c=2", "Confirm now")]
        )

    def test_picture(self) -> None:
        """The alternative text of a picture is the text of its link."""
        self.assertEqual(self.anchors('<a href=/a><img alt="Go"></a>'), [("/a", "Go")])
        self.assertEqual(self.anchors('<map><area href=/b alt="North"></map>x'), [("/b", "North")])

    def test_not_closed(self) -> None:
        """A link that is not closed ends with the next one, or with the mail."""
        self.assertEqual(self.anchors("<a href=/1>one <a href=/2>two"), [("/1", "one"), ("/2", "two")])

    def test_no_address(self) -> None:
        """An anchor without an address is no link."""
        self.assertEqual(self.anchors("<a name=top>Top</a><a>x</a>"), [])
