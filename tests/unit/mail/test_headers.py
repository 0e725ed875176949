"""Addresses out of header fields, and compared."""

from __future__ import annotations

import unittest
from email.header import Header
from email.message import EmailMessage
from email.utils import formataddr

from hypothesis import given
from hypothesis import strategies as st

from liveserver_testcase.mail.headers import address_key, same_address, without_addresses
from tests.unit.mail import receive


def parse(field: str) -> tuple[list[str], list[str]]:
    email = receive(f"To: {field}\n\n")
    return email.to, email.defects


class ParseAddresses(unittest.TestCase):
    def test_addresses(self) -> None:
        """Each field has these addresses, and nothing to note."""
        for field, *wanted in (
            ("Ann@Example.com", "Ann@Example.com"),  # the case in which it is written
            # display names are left out, quoted ones with a comma or an address in them too
            ('Ann <ann@x>, "Doe, Bob <no@x>" <bob@x>,eve@x', "ann@x", "bob@x", "eve@x"),
            (r'"Ann \", <no@x>\\" <ann@x>, bob@x', "ann@x", "bob@x"),
            # comments, nested ones and those with separators in them too
            ("ann@x (Ann (the, first)), (nobody) bob@x, eve@x (a\\) b)", "ann@x", "bob@x", "eve@x"),
            # a group is its members, and a group without members is nobody
            ("Team:ann@x, Bob <bob@x>;, eve@x", "ann@x", "bob@x", "eve@x"),
            ("undisclosed-recipients:;",),
            # a comma or an angle bracket inside an encoded word separates nothing
            ("=?utf-8?q?Doe,_<Ann>?= <ann@x>, =?utf-8?b?QsO2Yiw=?= <bob@x>", "ann@x", "bob@x"),
            ("=?utf-8?q?a=22,=5C?= <ann@x>, =?utf-8?q?=22?= <bob@x>", "ann@x", "bob@x"),
            # encoded words in the address, as Django writes them
            ("=?utf-8?q?J=C3=B6rg?=@example.com", "Jörg@example.com"),
            ("=?utf-8?q?ann=40example=2Ecom?=", "ann@example.com"),
            # quotes around a local part stay where they are needed, and only there
            ('"ann"@x, "ann lee"@x, "a@b"@x, ""@x', "ann@x", '"ann lee"@x', '"a@b"@x', '""@x'),
            (r'"a\nn"@x, <"ann, lee"@x (Ann, Lee)>', "ann@x", '"ann, lee"@x'),
            # nobody
            ("<>",),
            ("",),
            (" , ,ann@x,", "ann@x"),
            ("root, <ann>", "root", "ann"),  # mailboxes of this machine
            ("<@relay.example,@other.example:ann@x>, bob@x", "ann@x", "bob@x"),  # an obsolete source route
            ("ann @ x, < bob@x >", "ann@x", "bob@x"),
            ("ann@[IPv6:::1], <bob@[192.0.2.1]>", "ann@[IPv6:::1]", "bob@[192.0.2.1]"),  # colons of no group
            ("Jörg <jörg@bücher.example>", "jörg@bücher.example"),
        ):
            with self.subTest(field=field):
                self.assertEqual((wanted, []), parse(field))

    def test_unknown_charset(self) -> None:
        """What had to be mended in an encoded word is noted."""
        self.assertEqual(parse("=?nope?q?a?= <ann@x>"), (["ann@x"], ["To header: unknown charset 'nope'"]))

    def test_malformed(self) -> None:
        """What is no address is noted, a hundred characters of it; the addresses around it are found."""
        for field, *wanted in (
            ("a@@x", "a@@x"),  # shown as it is, not as the null address
            ("Ann Lee, bob@x", "bob@x"),
            ('"Ann Lee"',),
            ("Ann <<ann@x>>", "ann@x"),
            ("Ann <ann@x, Bob <bob@x>", "ann@x", "bob@x"),
            ('"Ann <ann@x>, bob@x', "ann@x", "bob@x"),
            ("ann@x bob@x", "ann@x", "bob@x"),
        ):
            with self.subTest(field=field):
                self.assertEqual((wanted, [f"To header: malformed address in {field!r}"]), parse(field))
        for field in ("ann@x y", "a b" * 99):
            with self.subTest(field=field):
                self.assertEqual([f"To header: malformed address in {field[:100]!r}"], parse(field)[1])

    def test_many(self) -> None:
        """Of a field that is too long for Python's parser the addresses are found all the same, and no names."""
        names = [f'"Doe, Ann <no{number}@x>" <ann{number}@example.com>' for number in range(1000)]
        self.assertEqual(parse(", ".join(names)), ([f"ann{number}@example.com" for number in range(1000)], []))

    def test_time(self) -> None:
        """A field of half a million brackets, quotes or spaces is read in linear time."""
        for piece in ("<", "<@", ",", '"', '"\\"', "(", ")", " @", "a ", "\\", "=?", ":", "<@,"):
            with self.subTest(piece):
                parse(piece * 100_000)


PRINTABLE = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
NAMES = st.text(st.one_of(PRINTABLE, st.sampled_from("@,;:<>()[]\"\\'.äß日")), min_size=1, max_size=20)


class AnyName(unittest.TestCase):
    """Display names as the standard library writes them: structure first, encoded words afterwards (RFC 2047 §5)."""

    @given(st.lists(NAMES, min_size=1, max_size=3))
    def test_formataddr(self, names: list[str]) -> None:
        """A name adds no address and takes none away, whatever is in it."""
        addresses = [f"user{number}@example.com" for number in range(len(names))]
        self.assertEqual(parse(", ".join(map(formataddr, zip(names, addresses, strict=True)))), (addresses, []))

    @given(NAMES)
    def test_header(self, name: str) -> None:
        """So it is with names that are encoded by hand, in one word or in several, and inside quotes."""
        word = Header(name, "utf-8").encode()
        self.assertEqual(parse(f"{word} <bob@example.com>")[0], ["bob@example.com"])
        self.assertEqual(parse(f'"{word}" <bob@example.com>')[0], ["bob@example.com"])

    @given(NAMES)
    def test_display_name(self, name: str) -> None:
        """The display name is what was written, in Python's own header."""
        email = receive(f"From: {formataddr((name, 'bob@example.com'))}\n\n")
        self.assertEqual((email.from_, email["From"].addresses[0].addr_spec), ("bob@example.com", "bob@example.com"))
        self.assertEqual(" ".join(email["From"].addresses[0].display_name.split()), " ".join(name.split()))


class AnySubject(unittest.TestCase):
    """Subjects, read in both ways."""

    @given(st.text(PRINTABLE, max_size=100))
    def test_subject(self, subject: str) -> None:
        """What an EmailMessage was given is what ``email.subject`` and ``email["Subject"]`` say."""
        message = EmailMessage()
        message["Subject"] = subject
        email = receive(message)
        self.assertEqual(email.subject, email["Subject"])
        self.assertEqual(" ".join(email.subject.split()), " ".join(subject.split()))
        self.assertEqual(email.defects, [])

    @given(st.binary(max_size=60), st.text("=?_ abqQButf-8utf", max_size=20))
    def test_any_bytes(self, data: bytes, text: str) -> None:
        """Both read the same of a field of any bytes, and every output can print it."""
        raw = b"Subject: " + data.replace(b"\r", b"").replace(b"\n", b"") + text.encode() + b"\r\n\r\n"
        email = receive(raw)
        self.assertEqual(email.subject, email["Subject"])
        email.subject.encode()

    def test_a_question_mark_at_the_end(self) -> None:
        """An encoded word may end with a question mark that its sender did not encode."""
        self.assertEqual(receive("Subject: =?utf-8?q?Ready??= =?utf-8?q?_Go?=\n\n").subject, "Ready? Go")


class Compare(unittest.TestCase):
    def test_same_address(self) -> None:
        """Two spellings are one address, or two."""
        for one, other, same in (
            ("Ann@Example.COM", "ann@example.com", True),  # before the sign, too
            ("ann@example.com", "bob@example.com", False),
            ("ann@example.com", "ann@example.org", False),
            ("ann@xn--bcher-kva.example", "ann@BÜCHER.example", True),
            ("=?utf-8?q?J=C3=B6rg?=@x", "jörg@x", True),  # as Django writes envelopes
            ("=?utf-8?q?\udcff?=@x", "?@x", True),
            ("\udcff@x", "?@x", False),
            ('"ann"@x', "ann@x", True),
        ):
            with self.subTest(one=one, other=other):
                self.assertEqual(same, same_address(one, other))

    def test_bad_punycode(self) -> None:
        """A label that is no punycode, or longer than a label can be, is compared as it is."""
        for address in ("ann@xn--\x80.xn--99999999.xn--" + "a" * 70, f"ann@xn--{'b' * 60}-kva"):
            with self.subTest(address=address):
                self.assertEqual(address, address_key(address))

    def test_without(self) -> None:
        """Addresses are taken out of a list however they are written; the others keep order and spelling."""
        self.assertEqual(["Bob@x", "Eve@x"], without_addresses(["Bob@x", "ANN@x", "Eve@x"], ["ann@X"]))
