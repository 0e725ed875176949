"""How values are written in a report, a ``repr`` or a log.

What was received is somebody else's text: no character of it that could move a cursor, change a colour or turn the
direction of writing reaches the terminal, no length of it buries the report, and no secret of it is printed.

`quote`, `one_line` and `describe_error` do all three; `escape`, `cut` and `mask` do one each.  The first half of this
module writes values; the second half finds secrets, by the name that a value has (`is_secret`) and by its shape.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import functools
import re
from collections.abc import Callable, Iterator
from typing import AnyStr, NamedTuple
from urllib.parse import unquote

__all__ = ["MASK", "count", "cut", "describe_error", "escape", "is_secret", "mask", "mask_header", "one_line", "quote"]

MASK = "***"
"""Stands for a secret."""

_LONGEST = 120  # characters of one value: it is still read at a glance
_WINDOW = 10_000  # characters that are searched for secrets where 120 are shown: a body may have 100 MB

# -- values as text ----------------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    r"""``text`` on one line and printable: any other character is written as ``\x1b`` or ``\u202e``."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def cut(text: str, longest: int = _LONGEST) -> str:
    """``text``, or if it is long its beginning and its full length."""
    return text if len(text) <= longest else f"{text[:longest]}… ({count(len(text), 'character')})"


def quote(value: object) -> str:
    """A value as it would be written in code, without its secrets, cut if it is long."""
    if isinstance(value, str):
        return _quote(value, mask(value[:_WINDOW]), "character")
    if isinstance(value, bytes):
        return _quote(value, mask(value[:_WINDOW]), "byte")
    return _shorten(repr(value))


def _quote(value: str | bytes, shown: str | bytes, unit: str) -> str:
    if len(shown) <= _LONGEST and len(value) <= _WINDOW:
        return repr(shown)
    return f"{shown[:_LONGEST]!r}… ({count(len(value), unit)})"


def one_line(text: str) -> str:
    """Somebody else's text without its secrets, printable on one line, cut if it is long."""
    return _shorten(text, escape)


def describe_error(error: BaseException) -> str:
    """Its class and its message, on one line."""
    text = str(error)
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def count(number: int, noun: str) -> str:
    """As in ``1 request``, ``3 requests``, ``12,000 bytes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shorten(text: str, change: Callable[[str], str] = str) -> str:
    """``text`` masked, changed and cut; the size that is named is what it had before."""
    shown = change(mask(text[:_WINDOW]))
    if len(shown) <= _LONGEST and len(text) <= _WINDOW:
        return shown
    return f"{shown[:_LONGEST]}… ({count(len(text), 'character')})"


# -- names of secrets --------------------------------------------------------------------------------------------------

# Compared with a name in lower case whose words are joined by "_": accessToken, Access-Token and access.token are
# access_token.  Words that are often written as one match without their "_", too.
_SECRET = re.compile(
    r"""(?x)
      pass_?w(?:or[dt]|d) | pass_?(?:phrase|code) | kennwort | secret(?!ar) | credential | signature | csrf | xsrf
    | tokens?(?:_|$) | pwd(?:_|$)
    | (?:^|_)(?:auth|o?auth2?|authorization|jwt|t?otp|cv[vc]2?|hmac|bearer)(?:_|$)
    | (?:^|_)(?:authentication|assertion|sig|pin(?:_?code)?|pan)$ | ^pass$ | ^sid$
    | (?:^|_)(?:user|db|database|admin|root|login|smtp|ftp|ssh|http|proxy|basic|auth|key)_?pass$
    | (?:^|_)(?:php|j|asp)?sess(?:ion)?(?:_?(?:id|key|cookie))?$
    | ^(?:set_)?cookies?$
    | (?:api|apps?|application|access|account|private|shared|subscription|master|sign(?:ing)?|encrypt(?:ion)?|service
       |consumer|functions?|deploy|license|ssh|storage|webhook)_?keys?(?:_?id)?$
    | (?:auth|authorization|verification|security|device|recovery|backup|one_?time|login|mfa|sms|access)_?codes?$
    | (?:code|oauth)_?verifier$ | saml_?(?:response|request)$
    | (?:card|cc)_?(?:number|num|no)$
    """
)
# What is said about a secret, or only has a word of it: token_type, password_policy, has_password, max_tokens.
# A token of a page is a place in a list.
_HARMLESS = re.compile(
    r"""(?x)
      _(?:types?|ur[li]|endpoint|count|limit|length|size|expir(?:es|y|ation)|expires_in|ttl|policy|name|user|username
       |email|methods?|label|hint|status|enabled|required|valid|version|at|alg|algorithm|time|scheme|provider|details
       |consumed|used)$
    | ^(?:is|has|needs|requires|can|should)_
    | ^(?:max|min|total|prompt|completion|input|output|num|cached|reasoning)_(?:\w+_)?tokens$
    | (?:page|next|continuation|pagination|sync)_?token$
    """
)
_IN_QUERIES = ("code", "key")  # as OAuth and map services have them; elsewhere they are mostly something else
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@functools.lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether what has this name must not be read in a report.

    Args:
        name: Of a header, cookie, parameter, field, JSON key or XML element; or a path of them, such as
            ``user[password]`` or ``$.credentials.key``: below a secret name everything is one.
    """
    steps = ["_".join(_WORD.findall(step)).lower() for step in re.split(r"[.\[\]]", unquote(name))]
    return any(_SECRET.search(step) and not _HARMLESS.search(step) for step in steps)


def mask_header(name: str, value: str) -> str:
    """The value of a header without secrets; nothing of it if its name is that of one."""
    return MASK if is_secret(name) else mask(value)


# -- secrets in a text -------------------------------------------------------------------------------------------------

_NAME = r"[\w.%\[\]-]"

# Where a secret can begin.  Each alternative is tried at a place only where a run of its characters begins, or has a
# limit, so that the time grows with the length of the text alone.
_START = re.compile(
    rf"""(?xi)
      (?P<pem>-----BEGIN[ ][A-Z0-9 ]{{0,40}}PRIVATE[ ]KEY-----)
    | (?P<userinfo>://(?P<user>[^\s/?\#"'<>\\]*)@)
    | (?P<shape>(?<![\w-])(?-i:
        eyJ[\w-]+\.[\w-]+(?:\.[\w-]*){{0,3}}                                             # JWT
      | (?:[sr]k_(?:live|test)_|whsec_|gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|shp(?:at|ss)_|npm_|sk-|pypi-|hf_
         |dop_v1_)[\w-]{{10,}}
      | A[KS]IA[A-Z0-9]{{12,}} | AIza[\w-]{{30,}} | ya29\.[\w-]{{10,}} | SG\.[\w-]{{10,}}\.[\w-]*
      ))
    | (?P<scheme>(?<!\w)(?P<kind>bearer|basic)[ +]{{1,4}}(?P<credentials>[\w.~+/-]{{2,}}=*))
    | (?P<key>(?<!\\)(?P<mark>["'])(?P<key_name>(?:[^"'\\\r\n]|\\.){{1,100}})(?P=mark)\s{{0,20}}:\s{{0,20}})
    | (?P<pair>\(b?(?P<pair_mark>["'])(?P<pair_name>(?:[^"'\\\r\n]|\\.){{1,100}})(?P=pair_mark),\s?)
    | (?P<element><(?P<element_name>[A-Z_][\w:.-]{{0,100}})(?=[\s/>]))
    | (?P<part>(?<![^\r\n])content-disposition:[^\r\n]*)
    | (?P<field>(?<!{_NAME})(?P<name>{_NAME}{{1,200}})(?P<sign>=|\s{{1,8}}=(?!=)|\s{{0,8}}:(?![/:])))
    """
)
_FORM = re.compile(r"[^\s=&<>{}\"'/?:]{1,200}=")
_NEXT = rf"(?!\s{{0,4}}{_NAME}{{1,200}}=)"  # what another name follows ends a value
_FORM_VALUE = re.compile(rf"(?:[^&;\r\n]|[;\r\n]{_NEXT})*")
_QUERY_VALUE = re.compile(rf"""(?:[^\s&;,<>"'\])}}]|[;,]{_NEXT}|["'\])}}](?![\s,;&<>"'\])}}]|\Z))*""")
_LINE_VALUE = re.compile(r"[^\r\n]*")
_WORD_VALUE = re.compile(r"(?i:(?:bearer|basic|digest|token|negotiate)[ ])?[^\s,;)}\]]*")
_BARE_VALUE = re.compile(r"[^\s,()\[\]{}\"']*")
_LINE_START = re.compile(r"(?:\A|[\r\n])[ \t>*|-]{0,8}\Z")
_PORT = re.compile(r"\d{1,5}(?:[/\s]|\Z)")
_STRINGS = {
    '"': re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL),
    "'": re.compile(r"[^'\\]*(?:\\.[^'\\]*)*", re.DOTALL),
}
_BRACKET = re.compile(r"[\"'{}\[\]()]")
_LABELS = ("field", "header", "key", "name")
_LABELLED = re.compile(r"""\s{0,20},?\s{0,20}(["']?)value\1\s{0,8}[:=]\s{0,8}""", re.IGNORECASE)
_PROSE = ("auth", "authentication", "authorization", "credentials", "of", "realm", "scheme", "token", "tokens")

_ESCAPED = re.compile(
    r"""%[0-9A-Fa-f]{2}|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|["'\\/bfnrt])|&(?:quot|apos|amp|lt|gt|\#3[49]);"""
)
_ENTITIES = {"&quot;": '"', "&#34;": '"', "&apos;": "'", "&#39;": "'", "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_DEPTH = 3  # JSON in a text of JSON in a query: what is nested deeper is not read


class _Secret(NamedTuple):
    """A secret in a text.

    Attributes:
        begin: Where that begins by which it is known as one, such as its name.
        start: Where it starts.
        end: Where it ends.
        shown: What is printed in its place.
    """

    begin: int
    start: int
    end: int
    shown: str = MASK


def mask(text: AnyStr) -> AnyStr:
    """``text`` with ``***`` for each secret in it; every other character is as it was.

    It may be anything that has come over a network, whole or a part of it: a URL or the target of a request, a form,
    JSON, XML, a multipart body, lines of headers, a ``repr``, prose.  Secrets are what has the name of one and what
    has a shape that only secrets have, also if the text around them is percent-encoded, in a string of JSON, or
    written with XML's entities.  It cannot be complete: a secret under a harmless name looks like anything else.
    """
    if isinstance(text, bytes):
        return mask(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    found = _find_secrets(text)
    if not found:
        return text
    parts: list[str] = []
    position = 0
    for start, end, shown in found:
        parts += (text[position:start], shown)
        position = end
    return "".join([*parts, text[position:]])


def _find_secrets(text: str) -> list[tuple[int, int, str]]:
    """Where the secrets are, in order and apart from each other."""
    view, maps = text, []
    found = [(each.start, each.end, each.shown) for each in _scan(text, is_form=_FORM.match(text) is not None)]
    for _ in range(_DEPTH):
        decoded = _decode(view)
        if decoded is None:
            break
        view, points = decoded
        maps.append(points)
        for secret in _scan(view):
            # what is plain in the text around it has been found there, where its end is seen better
            if points.find(secret.start) - points.find(secret.begin) != secret.start - secret.begin:
                start, end = secret.start, secret.end
                for each in reversed(maps):
                    start, end = each.find(start), each.find(end)
                found.append((start, end, MASK))
    merged: list[tuple[int, int, str]] = []
    for start, end, shown in sorted(found, key=lambda each: (each[0], -each[1])):
        if merged and start < merged[-1][1]:
            first, last, before = merged[-1]
            merged[-1] = (first, max(last, end), before)
        else:
            merged.append((start, end, shown))
    return merged


class _Points:
    """Where the places of a decoded text are in the text that it was decoded from."""

    def __init__(self) -> None:
        self.decoded, self.encoded = [0], [0]

    def add(self, decoded: int, encoded: int) -> None:
        """From these places on both go on in the same step."""
        self.decoded.append(decoded)
        self.encoded.append(encoded)

    def find(self, place: int) -> int:
        """The place in the encoded text."""
        index = bisect.bisect_right(self.decoded, place) - 1
        return self.encoded[index] + place - self.decoded[index]


def _decode(text: str) -> tuple[str, _Points] | None:
    """The text with each escape of it resolved, whatever language that is of; None if there is none."""
    parts: list[str] = []
    points, position, length = _Points(), 0, 0
    for match in _ESCAPED.finditer(text):
        parts += (text[position : match.start()], _resolve(match.group()))
        length += match.start() - position + 1
        position = match.end()
        points.add(length, position)
    return ("".join([*parts, text[position:]]), points) if parts else None


def _resolve(written: str) -> str:
    """The one character that an escape stands for."""
    if written[0] == "&":
        return _ENTITIES[written]
    if written[0] == "%" or written[1] in "ux":
        return chr(int(written.lstrip("%\\ux"), 16))
    return _LETTERS.get(written[1], written[1])


def _scan(text: str, *, is_form: bool = False) -> Iterator[_Secret]:
    """The secrets that can be seen without decoding anything.

    Args:
        text: The text.
        is_form: It begins as a form, so that a value may have spaces in it.
    """
    position = 0
    while (match := _START.search(text, position)) is not None:
        position = match.end()
        for secret in _READERS[match.lastgroup or ""](text, match, is_form):
            position = max(position, secret.end)
            if secret.start < secret.end and text[secret.start : secret.end] != MASK:
                yield secret


def _read_pem(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    yield _Secret(match.start(), match.end(), _find_end(text, "-----END", match.end()))


def _read_userinfo(_text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    """The password; the name before it if that is empty, as with keys of payment services."""
    start, end = match.span("user")
    name, colon, password = match["user"].partition(":")
    if colon:
        middle = start + len(name)
        yield _Secret(match.start(), middle + 1, end) if password else _Secret(match.start(), start, middle)


def _read_shape(_text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    yield _Secret(match.start(), *match.span())


def _read_scheme(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    credentials = match["credentials"]
    if match["kind"].lower() == "basic":
        is_one = _is_basic(credentials)
    else:  # neither "a bearer token" nor the challenge `Bearer realm="x"`
        is_one = credentials.lower().rstrip("=.") not in _PROSE and text[match.end() : match.end() + 1] != '"'
    if is_one:
        yield _Secret(match.start(), *match.span("credentials"))


def _is_basic(credentials: str) -> bool:
    """Whether it is a name and a password, in Base64 and perhaps cut."""
    bare = credentials.rstrip("=")
    try:
        return b":" in base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return False


def _read_key(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    """A key of JSON, or of the ``repr`` of a dict."""
    yield from _read_named(text, match, _unescape(match["key_name"]), match["mark"])


def _read_pair(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    """A tuple of a name and a value, as in the ``repr`` of headers."""
    if is_secret(_unescape(match["pair_name"])):
        yield _Secret(match.start(), *_find_value(text, match.end(), match["pair_mark"]))


def _unescape(name: str) -> str:
    decoded = _decode(name)
    return name if decoded is None else decoded[0]


def _read_named(text: str, match: re.Match[str], name: str, mark: str) -> Iterator[_Secret]:
    """A value after its name, or a name as a value and then its value: ``"name": "token", "value": "x"``."""
    if is_secret(name):
        yield _Secret(match.start(), *_find_value(text, match.end(), mark))
    elif name.lower() in _LABELS and text[match.end() : match.end() + 1] in _STRINGS:
        start, end, _ = _find_value(text, match.end(), mark)
        value = _LABELLED.match(text, end + 1)
        if value is not None and is_secret(text[start : min(end, start + 200)]):
            yield _Secret(match.start(), *_find_value(text, value.end(), mark))


def _find_value(text: str, start: int, mark: str) -> tuple[int, int, str]:
    """Where a value of JSON or Python starts and ends, and what to print for it: a text keeps its quotes."""
    opening = re.compile(r"[bBrRuUfF]{0,2}([\"'])").match(text, start)
    if opening is not None:
        string = _STRINGS[opening[1]].match(text, opening.end())
        return opening.end(), string.end() if string else len(text), MASK
    bare = _BARE_VALUE.match(text, start)
    end = bare.end() if bare else start
    if text[end : end + 1] in ("{", "[", "("):
        end = _find_closing(text, end)
    is_masked = text[start:end] == MASK or start == end
    return start, end, MASK if is_masked else f"{mark}{MASK}{mark}"


def _find_closing(text: str, start: int) -> int:
    """Where what opens with a bracket has ended; the end of the text, if it has been cut."""
    depth, position = 0, start
    while (match := _BRACKET.search(text, position)) is not None:
        position = match.end()
        if match.group() in _STRINGS:
            string = _STRINGS[match.group()].match(text, position)
            position = min(string.end() + 1 if string else len(text), len(text))
        else:
            depth += 1 if match.group() in "{[(" else -1
            if depth == 0:
                return position
    return len(text)


def _read_element(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    """All that is in an element of XML, and its attributes."""
    name = match["element_name"]
    if not is_secret(name.rpartition(":")[2]):
        return
    closing = _find_end(text, ">", match.end())
    for attribute in re.finditer(r"""([\w:.-]+)\s{0,8}=\s{0,8}(?:"([^"]*)|'([^']*))""", text[match.end() : closing]):
        if not attribute[1].lower().startswith("xmlns"):
            start, end = attribute.span(2 if attribute[2] is not None else 3)
            yield _Secret(match.start(), match.end() + start, match.end() + end)
    if text[closing - 1 : closing] != "/":
        yield _Secret(match.start(), min(closing + 1, len(text)), _find_end(text, f"</{name}", closing))


def _read_part(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Secret]:
    """The content of a part of a multipart body."""
    name = re.search(r'(?i)[;\s]name="?([^";\r\n]*)', match.group())
    if name is None or not is_secret(name[1]):
        return
    blank = re.compile(r"\r?\n\r?\n|\r\r").search(text, match.end())
    start = blank.end() if blank else len(text)
    boundary = re.compile(r"--[^\r\n]{1,80}").match(text)
    end = _find_end(text, f"\n{boundary.group() if boundary else '--'}", max(0, start - 1))
    yield _Secret(match.start(), start, max(start, end - (text[end - 1 : end] == "\r")))


def _read_field(text: str, match: re.Match[str], is_form: bool) -> Iterator[_Secret]:
    """A parameter of a query, a field of a form, an attribute of XML, a header, or any other name before a value."""
    name, start = match["name"], match.end()
    before = text[match.start() - 1 : match.start()] if match.start() else ""
    is_parameter = match["sign"] == "=" and (before in ("?", "&", ";", "#") or (is_form and not before))
    if not is_secret(name) and not (is_parameter and name.lower() in _IN_QUERIES):
        if name.lower() in _LABELS:
            yield from _read_named(text, match, name, '"')
        return
    if match["sign"].endswith("="):
        value = _FORM_VALUE if is_form else _QUERY_VALUE
        yield from _read_after(text, match.start(), start, value, is_form=is_form)
        return
    if before in _STRINGS:  # a header in a command: -H 'X-Api-Key: x'
        string = _STRINGS[before].match(text, start)
        yield _Secret(match.start(), _skip_space(text, start), string.end() if string else len(text))
    elif (match.start() < 9 and _LINE_START.match(text[: match.start()])) or (
        _LINE_START.search(text[max(0, match.start() - 9) : match.start()]) and match.start() >= 9
    ):
        yield from _read_line(text, match)
    elif (before.isspace() or before in "{[(,;") and (before in "{," or text[start : start + 1] in " \t\r\n\"'{["):
        yield from _read_after(text, match.start(), _skip_space(text, start), _WORD_VALUE)


def _read_line(text: str, match: re.Match[str]) -> Iterator[_Secret]:
    """A header, or a line of YAML; but not the host ``auth:8080``."""
    if _PORT.match(text, match.end()) is None:
        start = _skip_space(text, match.end())
        yield from _read_after(text, match.start(), start, _LINE_VALUE)


def _read_after(
    text: str, begin: int, start: int, value: re.Pattern[str], *, is_form: bool = False
) -> Iterator[_Secret]:
    opening = text[start : start + 1]
    if not is_form and (opening in ("{", "[", '"', "'") and opening):
        yield _Secret(begin, *_find_value(text, start, ""))
    else:
        found = value.match(text, start)
        yield _Secret(begin, start, found.end() if found else len(text))


def _skip_space(text: str, start: int) -> int:
    found = re.compile(r"[ \t]*").match(text, start)
    return found.end() if found else start


def _find_end(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found


_READERS = {
    "element": _read_element,
    "field": _read_field,
    "key": _read_key,
    "pair": _read_pair,
    "part": _read_part,
    "pem": _read_pem,
    "scheme": _read_scheme,
    "shape": _read_shape,
    "userinfo": _read_userinfo,
}
