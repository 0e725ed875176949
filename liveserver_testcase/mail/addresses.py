"""Mail addresses: out of a header field, and compared as the people who write tests mean it.

``email.utils.getaddresses`` is not used, because since 2024 it gives nothing at all for a field with one
malformed address, in some patch releases of each Python and not in others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .decoding import Note, encoded_words

__all__ = ["address_key", "parse_addresses", "same_address", "without_addresses"]

_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,121}\?[bBqQ]\?[^?\r\n]*\?=")
_BARE_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@[^\s<>(),;:\"@]{1,255}")
_QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[\s<>()\[\],;:"@\\]|\A\Z')

_SOURCE_ROUTE = re.compile(r"<\s*@")  # obsolete: <@relay,@relay2:ann@example.com>
_CLOSERS = {'"': '"', "(": ")", "<": ">", "[": "]"}


def parse_addresses(field: str, what: str, note: Note) -> list[str]:
    """The addresses in a header field, without display names, comments and groups, in their order.

    What cannot be read as an address is left out and noted, but a word alone stays: it is a mailbox on this
    machine.

    Args:
        field: The field's source, unfolded, with its encoded words still encoded: a comma inside one
            separates nothing.
        what: Names the field in a note.
        note: Told what was mended or left out.

    Source:
        RFC 5322 §3.4 and §4.4, RFC 6531 for addresses outside ASCII.
    """
    addresses = []
    for mailbox in _split(_ENCODED_WORD.sub(lambda word: _protected(word[0], what, note), field)):
        address = _addr_spec(mailbox)
        if address is None:
            found = _BARE_ADDRESS.findall(mailbox)
            note(f"{what} header: malformed address {mailbox.strip()[:100]!r}")
            addresses += found
        elif address:
            addresses.append(address)
    return addresses


def _protected(word: str, what: str, note: Note) -> str:
    """An encoded word as text that cannot be taken for structure, unless it is a whole address."""
    text = encoded_words(word, f"{what} header", note)
    if "@" in text or not _NEEDS_QUOTES.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _split(field: str) -> list[str]:
    """The field cut at its separators: commas, semicolons, and the colon after the name of a group."""
    mailboxes: list[str] = []
    inside: list[str] = []  # what closes each thing that is open here
    start, position, route = 0, 0, False
    while position < len(field):
        char = field[position]
        if char == "\\" and inside and inside[-1] in '")':
            position += 1
        elif inside and char == inside[-1]:
            inside.pop()
        elif inside and inside[-1] in '"]':
            pass
        elif char == "(" or (char in _CLOSERS and not inside) or (char == '"' and inside == [">"]):
            inside.append(_CLOSERS[char])
            route = char == "<" and bool(_SOURCE_ROUTE.match(field, position))
        elif char in ",;" and (not inside or (inside == [">"] and not route)):  # or the ">" was forgotten
            mailboxes.append(field[start:position])
            start, inside = position + 1, []
        elif char == ":" and not inside:
            start = position + 1  # the name of a group is no mailbox
        position += 1
    mailboxes.append(field[start:])
    return mailboxes


def _addr_spec(mailbox: str) -> str | None:
    """The address of one mailbox: '' for ``<>``, None for what cannot be read."""
    text = _without_comments(mailbox)
    if text is None:
        return None
    # a copy in which every character keeps its place, and quoted strings hold nothing special
    unquoted = _QUOTED_LOCAL.sub(lambda quoted: "x" * len(quoted[0]), text)
    if "<" in unquoted:
        opened, closed = unquoted.rindex("<"), unquoted.find(">", unquoted.rindex("<"))
        if closed < 0 or unquoted.count("<") > 1:
            return None
        text = text[opened + 1 : closed].strip()
        if text.startswith("@") and ":" in text:  # a source route
            text = text.partition(":")[2]
    text = "@".join(piece.strip() for piece in text.split("@"))
    local, at, domain = text.rpartition("@")
    if not at:
        local, domain = domain, ""
    quoted = _QUOTED_LOCAL.fullmatch(local)
    if quoted:
        plain = re.sub(r"\\(.)", r"\1", quoted[1])
        local = local if _NEEDS_QUOTES.search(plain) else plain  # "ann"@x is ann@x (RFC 5321 §4.1.2)
    elif re.search(r'[\s<>,;"]', local):
        return None
    if re.search(r'[\s<>,;"]', domain) or (quoted and not at):
        return None
    return local + at + domain


def _without_comments(mailbox: str) -> str | None:
    """The mailbox with its comments taken out; None if one, or a quoted string, does not end."""
    kept: list[str] = []
    depth, quoted, position = 0, False, 0
    while position < len(mailbox):
        char = mailbox[position]
        escaped = char == "\\" and (quoted or depth)
        piece = mailbox[position : position + 2] if escaped else char
        if char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        if not depth:
            kept.append(piece)
        elif char == ")":
            depth -= 1
        position += len(piece)
    return None if depth or quoted else "".join(kept)


def address_key(address: str) -> str:
    """What two addresses have in common when they are the same to a reader.

    Letters' case is ignored in the whole address.  RFC 5321 lets a server tell ``Ann@`` from ``ann@``; no
    server in use does, and a test means the person.  A domain in punycode is the one it stands for, and an
    encoded word (which Django makes of a local part outside ASCII) is what it says.
    """
    spec = encoded_words(address, "", lambda _: None).strip()
    local, at, domain = spec.rpartition("@")
    quoted = _QUOTED_LOCAL.fullmatch(local)
    if quoted and not _NEEDS_QUOTES.search(quoted[1]):
        local = quoted[1]
    return (local + at + ".".join(_unicode_label(label) for label in domain.split("."))).casefold()


def _unicode_label(label: str) -> str:
    if label[:4].lower() != "xn--" or len(label) > 63 or not label.isascii():
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are the same to a reader (`address_key`)."""
    return address_key(one) == address_key(other)


def without_addresses(addresses: Iterable[str], removed: Iterable[str]) -> list[str]:
    """`addresses` less those that are also in `removed`, compared by `address_key`."""
    keys = {address_key(address) for address in removed}
    return [address for address in addresses if address_key(address) not in keys]
