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
    def check(self, field: str, *wanted: str) -> None:
        self.assertEqual(parse(field), (list(wanted), []))

    def test_plain(self) -> None:
        """An address alone is itself, in the case in which it is written."""
        self.check("Ann@Example.com", "Ann@Example.com")

    def test_display_names(self) -> None:
        """Display names are left out, quoted ones with a comma or an address in them too."""
        self.check('Ann <ann@x>, "Doe, Bob <no@x>" <bob@x>,eve@x', "ann@x", "bob@x", "eve@x")
        self.check(r'"Ann \", <no@x>\\" <ann@x>, bob@x', "ann@x", "bob@x")

    def test_comments(self) -> None:
        """Comments are left out, nested ones and those with separators in them too."""
        self.check("ann@x (Ann (the, first)), (nobody) bob@x, eve@x (a\\) b)", "ann@x", "bob@x", "eve@x")

    def test_groups(self) -> None:
        """A group is its members, and a group without members is nobody."""
        self.check("Team:ann@x, Bob <bob@x>;, eve@x", "ann@x", "bob@x", "eve@x")
        self.check("undisclosed-recipients:;")

    def test_encoded_display_name(self) -> None:
        """A comma or an angle bracket inside an encoded word separates nothing."""
        self.check("=?utf-8?q?Doe,_<Ann>?= <ann@x>, =?utf-8?b?QsO2Yiw=?= <bob@x>", "ann@x", "bob@x")
        self.check("=?utf-8?q?a=22,=5C?= <ann@x>, =?utf-8?q?=22?= <bob@x>", "ann@x", "bob@x")

    def test_unknown_charset(self) -> None:
        """What had to be mended in an encoded word is noted."""
        self.assertEqual(parse("=?nope?q?a?= <ann@x>"), (["ann@x"], ["To header: unknown charset 'nope'"]))

    def test_encoded_address(self) -> None:
        """An address with encoded words in it, as Django writes them, is decoded."""
        self.check("=?utf-8?q?J=C3=B6rg?=@example.com", "Jörg@example.com")
        self.check("=?utf-8?q?ann=40example=2Ecom?=", "ann@example.com")

    def test_quoted_local_part(self) -> None:
        """Quotes around a local part stay where they are needed, and only there."""
        self.check('"ann"@x, "ann lee"@x, "a@b"@x, ""@x', "ann@x", '"ann lee"@x', '"a@b"@x', '""@x')
        self.check(r'"a\nn"@x, <"ann, lee"@x (Ann, Lee)>', "ann@x", '"ann, lee"@x')

    def test_null_address(self) -> None:
        """The null address is no address."""
        self.check("<>")

    def test_empty(self) -> None:
        """An empty field and empty places between commas hold no address."""
        self.check("")
        self.check(" , ,ann@x,", "ann@x")

    def test_local_mailbox(self) -> None:
        """A word alone is a mailbox of this machine."""
        self.check("root, <ann>", "root", "ann")

    def test_source_route(self) -> None:
        """Of an obsolete source route the last address counts."""
        self.check("<@relay.example,@other.example:ann@x>, bob@x", "ann@x", "bob@x")

    def test_spaces_at_the_sign(self) -> None:
        """White space around the sign is no part of an address."""
        self.check("ann @ x, < bob@x >", "ann@x", "bob@x")

    def test_domain_literal(self) -> None:
        """The colons in an IPv6 literal are not the end of a group's name."""
        self.check("ann@[IPv6:::1], <bob@[192.0.2.1]>", "ann@[IPv6:::1]", "bob@[192.0.2.1]")

    def test_beyond_ascii(self) -> None:
        """An address outside ASCII is kept as it is."""
        self.check("Jörg <jörg@bücher.example>", "jörg@bücher.example")

    def test_two_signs(self) -> None:
        """An address with two signs is shown as it is, not as the null address, and is noted."""
        self.assertEqual(parse("a@@x"), (["a@@x"], ["To header: malformed address in 'a@@x'"]))

    def test_malformed(self) -> None:
        """What is no address is left out and noted; the addresses around it are found."""
        self.assertEqual(parse("Ann Lee, bob@x"), (["bob@x"], ["To header: malformed address in 'Ann Lee, bob@x'"]))

    def test_malformed_domain(self) -> None:
        """An address with something after it, or a quoted name without one, is malformed."""
        self.assertEqual(parse("ann@x y")[1], ["To header: malformed address in 'ann@x y'"])
        self.assertEqual(parse('"Ann Lee"'), ([], ["To header: malformed address in '\"Ann Lee\"'"]))
        self.assertEqual(parse("Ann <<ann@x>>"), (["ann@x"], ["To header: malformed address in 'Ann <<ann@x>>'"]))

    def test_long_malformed(self) -> None:
        """Of a long field that is no address, a hundred characters are noted."""
        self.assertEqual(parse("a b" * 99)[1], [f"To header: malformed address in {('a b' * 99)[:100]!r}"])

    def test_forgotten_bracket(self) -> None:
        """An address whose bracket is not closed is found, and so is the next."""
        found, notes = parse("Ann <ann@x, Bob <bob@x>")
        self.assertEqual(found, ["ann@x", "bob@x"])
        self.assertEqual(notes, ["To header: malformed address in 'Ann <ann@x, Bob <bob@x>'"])

    def test_forgotten_quote(self) -> None:
        """After a quote that is not closed, what looks like an address is one."""
        found, notes = parse('"Ann <ann@x>, bob@x')
        self.assertEqual(found, ["ann@x", "bob@x"])
        self.assertEqual(notes, ["To header: malformed address in '\"Ann <ann@x>, bob@x'"])

    def test_forgotten_comma(self) -> None:
        """Addresses that only a space separates are found."""
        found, notes = parse("ann@x bob@x")
        self.assertEqual(found, ["ann@x", "bob@x"])
        self.assertEqual(notes, ["To header: malformed address in 'ann@x bob@x'"])

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
    def test_case(self) -> None:
        """The case of letters does not count, before the sign either."""
        self.assertTrue(same_address("Ann@Example.COM", "ann@example.com"))

    def test_other(self) -> None:
        """Another local part or domain is another address."""
        self.assertFalse(same_address("ann@example.com", "bob@example.com"))
        self.assertFalse(same_address("ann@example.com", "ann@example.org"))

    def test_punycode(self) -> None:
        """A domain in punycode is the domain it stands for."""
        self.assertTrue(same_address("ann@xn--bcher-kva.example", "ann@BÜCHER.example"))

    def test_bad_punycode(self) -> None:
        """A label that is no punycode is compared as it is."""
        self.assertEqual(
            address_key("ann@xn--\x80.xn--99999999.xn--" + "a" * 70),
            "ann@xn--\x80.xn--99999999.xn--" + "a" * 70,
        )

    def test_long_label(self) -> None:
        """A label longer than a label can be is compared as it is: to decode it would take forever."""
        self.assertEqual(address_key(f"ann@xn--{'b' * 60}-kva"), f"ann@xn--{'b' * 60}-kva")

    def test_encoded_word(self) -> None:
        """An encoded word, as in the envelopes that Django writes, is what it says."""
        self.assertTrue(same_address("=?utf-8?q?J=C3=B6rg?=@x", "jörg@x"))

    def test_surrogates(self) -> None:
        """Bytes that a sender smuggled into an envelope as surrogates can be compared."""
        self.assertTrue(same_address("=?utf-8?q?\udcff?=@x", "?@x"))
        self.assertFalse(same_address("\udcff@x", "?@x"))

    def test_quotes(self) -> None:
        """Needless quotes do not count."""
        self.assertTrue(same_address('"ann"@x', "ann@x"))

    def test_without(self) -> None:
        """Addresses are taken out of a list however they are written; the others keep order and spelling."""
        self.assertEqual(
            without_addresses(["Bob@x", "ANN@x", "Eve@x"], ["ann@X"]),
            ["Bob@x", "Eve@x"],
        )
