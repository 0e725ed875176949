"""The header fields of an email, under one policy: ``email["Subject"]`` and `ReceivedEmail.subject` read the same.

Python's ``email.headerregistry`` reads the structure of a field.  It finds charsets by Python's names only, and it
raises on some fields.  So a field's source is first written anew in the form that it reads without loss: bytes outside
ASCII are read, encoded words are in UTF-8, parameters are decoded as RFC 2231 says.  A field that it does not read even
then is given as plain text.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.errors import InvalidHeaderDefect, NonASCIILocalPartDefect, ObsoleteHeaderDefect
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.policy import EmailPolicy
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from ..core.checks import suggest_name
from ..core.masking import mask_header
from .decoding import OnDefect, decode_base64, decode_text, remove_surrogates

__all__ = [
    "Field", "Headers", "MailPolicy", "address_key", "decode_words", "parse_addresses", "read_field", "same_address",
    "without_addresses",
]  # fmt: skip

# RFC 2047 §2, and RFC 2231 §5 for the language after "*".  Spaces and question marks inside are not allowed but sent.
_ENCODED_WORD = re.compile(
    r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,60})?\?"
    r"(?:[bB]\?([^?\r\n]*)|[qQ]\?((?:[^?=\r\n]|=(?!\?(?!=))|\?(?!=))*))\?="
)
_HEX_PAIR = re.compile(rb"=([0-9A-Fa-f]{2})")
_TOKEN = re.compile(r"[A-Za-z0-9-]+")

# One parameter of a MIME header; RFC 2231 §3 and §4 for the asterisks.
_PARAMETER = re.compile(r""";\s*([^\s=;*"]+)(?:\*(\d{1,3}))?(\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""", re.DOTALL)
_PARAMETER_HEADERS = frozenset({"content-disposition", "content-type"})

_registry = HeaderRegistry()

_BARE_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@+[^\s<>(),;:\"@]{1,255}")
_NO_ADDRESS = re.compile(r'"(?:[^"\\]|\\.){0,200}"(?!@)|\([^()]{0,200}\)')  # a quoted name, or a comment
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[\s<>()\[\],;:"@\\]|\A\Z')
_LONGEST = 20_000  # characters of a field that Python's parser reads: its time grows with the square of the length
_LONGEST_KEPT = 2_000  # characters of a field that is kept when it was read

# Defects of an address field with which it still has one meaning: a mailbox of this machine, the null address, a name
# or a local part in encoded words that touch something.
_HARMLESS = (
    "addr-spec local part with no domain",
    "null addr-spec in angle-addr",
    "missing trailing whitespace after encoded-word",
    "missing whitespace before encoded word",
    "encoded word inside quoted string",
)


class Field(NamedTuple):
    """One header field as it is read: a header of ``email.headerregistry`` or a str, and the bare addresses in it."""

    value: str
    addresses: tuple[str, ...] = ()


class MailPolicy(EmailPolicy):
    """`email.policy.default`, under which no header raises."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        if hasattr(value, "name"):  # a header that a user has set
            return value
        return read_field(name, value).value


def read_field(name: str, source: str, on_defect: OnDefect = lambda _: None) -> Field:
    """Read one header field from its source: ASCII, and other bytes as surrogates, as Python's parser gives them.

    Source: RFC 5322, RFC 2047, RFC 2231, RFC 6266, RFC 6532.
    """
    field, defects = (_read_field if len(source) <= _LONGEST_KEPT else _read_field.__wrapped__)(name, source)
    for defect in defects:
        on_defect(defect)
    return field


# Python asks for a content type several times while it parses, and emails of one sender have most fields in common.
@lru_cache(maxsize=256)
def _read_field(name: str, source: str) -> tuple[Field, tuple[str, ...]]:
    found: list[str] = []
    on_defect = found.append
    what = f"{name} header"
    source = _read_bytes(source.replace("\r", "").replace("\n", ""), what, on_defect).strip()
    key = name.lower()
    if key in _PARAMETER_HEADERS:
        text = source = _rewrite_parameters(source, what, on_defect)
    elif key == "content-transfer-encoding":
        token = _TOKEN.search(source)
        text = source = token[0].lower() if token else ""
    else:
        text = decode_words(source, what, on_defect).strip()
        source = _replace_words(source, what, lambda _: None, _encode_word)
    try:
        if len(source) > _LONGEST:
            raise ValueError(f"{len(source):,} characters, more than {_LONGEST:,}")
        header: Any = _registry(name, source)
        addresses = _join_addresses(header.addresses) if hasattr(header, "addresses") else None
        defects = [defect for defect in header.defects if _is_defect(defect, addresses is not None)]
        if source == "<>":  # the null address, as in the envelope
            addresses = ()
        is_damaged = any(isinstance(defect, InvalidHeaderDefect) for defect in defects)
        is_structured = not isinstance(header, UnstructuredHeader)
    except Exception:  # IndexError, KeyError, RecursionError, not the same in each version of Python
        header, addresses, defects = text, (None,) if key in _ADDRESS_HEADERS else None, []
        is_damaged = is_structured = len(source) <= _LONGEST
    is_damaged = is_damaged or None in (addresses or ())
    if is_damaged and is_structured:
        # Python's words for these are of the grammar, and not the same in each version.
        noun = "value" if addresses is None else "address in"
        on_defect(f"{what}: malformed {noun} {text[:100]!r}")
        defects = [defect for defect in defects if not isinstance(defect, InvalidHeaderDefect)]
    for defect in defects:
        on_defect(f"{what}: {defect}")
    if is_damaged and addresses is not None:
        seen = _find_addresses(source)
        if None not in addresses and {*seen} <= {*addresses}:
            seen = tuple(address for address in _known(addresses) if "@" in address)
        return Field(text, seen), (*found,)
    # The structure of a damaged field can lack what its text has.
    is_kept = not is_damaged if is_structured else str(header) == text
    return Field(header if is_kept or key in _PARAMETER_HEADERS else text, _known(addresses or ())), (*found,)


def _is_defect(defect: Exception, is_address: bool) -> bool:
    """Return True if a defect that Python found is one to a reader."""
    if isinstance(defect, (ObsoleteHeaderDefect, NonASCIILocalPartDefect)):
        return False  # RFC 5322 §4 and RFC 6532 have every reader accept them
    return not (is_address and str(defect).startswith(_HARMLESS))


def _known(addresses: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(address for address in addresses if address)


def _read_bytes(source: str, what: str, on_defect: OnDefect) -> str:
    """Return a field's source with bytes outside ASCII read, its encoded words still encoded."""
    if source.isascii():
        return source
    data = source.encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        on_defect(f"{what}: bytes that are not UTF-8, read as windows-1252")
        return data.decode("cp1252", "replace")


# -- encoded words


def decode_words(text: str, what: str, on_defect: OnDefect) -> str:
    """Return ``text`` with its encoded words decoded (RFC 2047), also where the rules allow none."""
    return _replace_words(text, what, on_defect, lambda word: word)


def _replace_words(text: str, what: str, on_defect: OnDefect, replace: Callable[[str], str]) -> str:
    """Return ``text`` with each run of encoded words replaced."""
    if "=?" not in text:
        return text
    pieces: list[str] = []
    run: list[tuple[str, bytes]] = []  # neighbours: charset and content of each
    end = 0

    def end_run() -> None:
        # Neighbours in one charset are joined before they are decoded, because senders cut characters in two.
        decoded = "".join(
            decode_text(b"".join(data for _, data in words), charset, what, on_defect)
            for charset, words in itertools.groupby(run, lambda word: word[0])
        )
        if decoded:
            pieces.append(replace(decoded))
        run.clear()

    for word in _ENCODED_WORD.finditer(text):
        between = text[end : word.start()]
        if not end or (between and not between.isspace()):  # white space between two words is not text
            end_run()
            pieces.append(between)
        run.append((word[1].lower(), _decode_word(word[2], word[3], what, on_defect)))
        end = word.end()
    end_run()
    return "".join([*pieces, text[end:]])


def _decode_word(base64_content: str | None, q_content: str, what: str, on_defect: OnDefect) -> bytes:
    if base64_content is not None:
        return decode_base64(base64_content.encode("utf-8", "replace"), what, on_defect)
    data = q_content.encode("utf-8", "replace").replace(b"_", b" ")
    return _HEX_PAIR.sub(lambda pair: bytes([int(pair[1], 16)]), data)


def _encode_word(text: str) -> str:
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


# -- parameters


def _rewrite_parameters(source: str, what: str, on_defect: OnDefect) -> str:
    """Return a field with its parameters decoded and encoded again, each of them once."""
    # Python prefers "filename" to "filename*" where the first comes first, and reads neither encoded words nor charsets
    # by the labels of WHATWG's table.
    if source.isascii() and "*" not in source and "=?" not in source:
        return source
    plain: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[bool, str]]] = {}
    for name, number, star, value in _PARAMETER.findall(source):
        value = _unquote(value.strip())
        if number or star:
            extended.setdefault(name.lower(), {}).setdefault(int(number or 0), (bool(star), value))
        else:
            plain.setdefault(name.lower(), decode_words(value, what, on_defect))
    plain.update({name: _join_segments(segments, what, on_defect) for name, segments in extended.items()})
    return "; ".join([source.partition(";")[0].strip(), *(_write_parameter(*item) for item in plain.items())])


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    return re.sub(r'\\([\\"])', r"\1", value[1:].removesuffix('"'))


def _join_segments(segments: Mapping[int, tuple[bool, str]], what: str, on_defect: OnDefect) -> str:
    """Return the value of a parameter in segments, of which the first may name a charset (RFC 2231 §4.1)."""
    charset = ""
    data = bytearray()
    for number in itertools.takewhile(segments.__contains__, itertools.count(min(segments))):
        is_encoded, value = segments[number]
        if is_encoded and not data and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        data += unquote_to_bytes(value) if is_encoded else value.encode("utf-8", "surrogateescape")
    return decode_text(bytes(data), charset, what, on_defect)


def _write_parameter(name: str, value: str) -> str:
    if value.isascii() and value.isprintable():
        return '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))
    return f"{name}*=utf-8''{quote(remove_surrogates(value), safe='')}"


# -- addresses

_ADDRESS_HEADERS = frozenset(
    {"from", "sender", "to", "cc", "bcc", "reply-to"} | {f"resent-{name}" for name in ("from", "to", "cc", "bcc")}
)


def parse_addresses(field: str) -> list[str]:
    """Return the addresses in the text of a ``To`` field, without display names, comments and groups, in order."""
    if _BARE_ADDRESS.fullmatch(field):
        return [field]
    return list(read_field("To", field).addresses)


def _join_addresses(addresses: Iterable[Address]) -> tuple[str | None, ...]:
    """Return each address as text: '' for the null address, None for what cannot be one."""
    found: list[str | None] = []
    for address in addresses:
        local, domain = address.username, address.domain
        if not domain and ("@" in local or not _NEEDS_QUOTES.search(local)):
            # An address that is one encoded word, or a mailbox of this machine.
            found.append(local)
        elif not domain:
            found.append(None)
        elif not _NEEDS_QUOTES.search(local):
            found.append(f"{local}@{domain}")
        else:
            escaped = local.replace("\\", "\\\\").replace('"', '\\"')
            found.append(f'"{escaped}"@{domain}')
    return tuple(found)


def _find_addresses(source: str) -> tuple[str, ...]:
    """Return what looks like an address in a field whose structure is damaged."""
    text = _ENCODED_WORD.sub("", source)
    if len(text) <= 5 * _LONGEST:
        text = _NO_ADDRESS.sub("", text)
        text = re.sub(r"[^<>,;]{0,200}<", "<", text)  # what stands before an angle bracket is a name
    return tuple(_BARE_ADDRESS.findall(text))


def address_key(address: str) -> str:
    """Return what two addresses have in common when they are the same to a reader.

    Letters' case is ignored in the whole address.  RFC 5321 lets a server treat ``Ann@`` and ``ann@`` as two; no server
    in use does, and a test means the person.  A domain in punycode is the one it stands for, and an encoded word (which
    Django makes of a local part outside ASCII) is what it says.
    """
    spec = decode_words(address, "", lambda _: None).strip()
    local, at, domain = spec.rpartition("@")
    quoted = _QUOTED.fullmatch(local)
    if quoted and not _NEEDS_QUOTES.search(quoted[1]):
        local = quoted[1]
    return (local + at + ".".join(_decode_label(label) for label in domain.split("."))).casefold()


def _decode_label(label: str) -> str:
    # Punycode takes the square of its length, and a label of the DNS has 63 characters at most.
    if label[:4].lower() != "xn--" or len(label) > 63 or not label.isascii():
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def same_address(one: str, other: str) -> bool:
    """Return True if two addresses are the same to a reader (`address_key`)."""
    return address_key(one) == address_key(other)


def without_addresses(addresses: Iterable[str], removed: Iterable[str]) -> list[str]:
    """Return ``addresses`` less those that are also in ``removed``, compared by `address_key`."""
    keys = {address_key(address) for address in removed}
    return [address for address in addresses if address_key(address) not in keys]


# -- all of them


class Headers(Mapping[str, str]):
    """Header fields by name, in any case of letters, decoded.

    A field may be there several times: ``headers[name]`` is the first, `get_all` has all.  Iterating and
    ``len`` count each name once.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = tuple(fields)

    def __getitem__(self, name: str) -> str:
        for value in self.get_all(name):
            return value
        raise KeyError(f"no header {name!r}: {suggest_name(name.title(), self)}")

    def get_all(self, name: str) -> list[str]:
        """Return every value of the field `name`, in the email's order; an empty list if there is none."""
        if not isinstance(name, str):
            raise TypeError(f"a header's name is a str, not {type(name).__name__}")
        return [value for known, value in self._fields if known.lower() == name.lower()]

    def fields(self) -> list[tuple[str, str]]:
        """Return every field as name and value, in the email's order, repeated ones too."""
        return list(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in reversed(self._fields)}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({[(name, mask_header(name, value)) for name, value in self._fields]!r})"
