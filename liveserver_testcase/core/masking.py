"""What is secret in a text: found by the name that a value has, and by its shape.

`is_secret` knows the names; they stand in this file and nowhere else.  `mask` reads a text for them: headers, cookies,
queries, forms, JSON of any depth, whole or cut, multipart, XML, the ``userinfo`` of URLs, and what is nested in each
other.  `_START` finds where a secret can begin, a reader for each kind says where it ends.

The large expressions are compiled when the first report is written: that takes longer than to import this module.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import functools
import re
from collections.abc import Iterator
from typing import AnyStr, TypeAlias
from urllib.parse import unquote

__all__ = ["MASK", "is_secret", "mask", "mask_header"]

MASK = "***"
"""Stands for a secret."""

# -- names of secrets --------------------------------------------------------------------------------------------------

# Compared with a name in lower case whose words are joined by "_": accessToken, Access-Token and access.token are
# access_token.  Words that are often written as one match without their "_", too.
_SECRET = r"""(?x)
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
    | (?:card|cc)_?(?:number|num|no)$ | (?:^|_)ssn$ | connection_?string$
    """
# What is said about a secret, or only has a word of it: token_type, password_policy, has_password, max_tokens.
# A token of a page is a place in a list.
_HARMLESS = r"""(?x)
      _(?:types?|ur[li]|endpoint|count|limit|length|size|expir(?:es|y|ation)|expires_in|ttl|policy|name|user|username
       |email|methods?|label|hint|status|enabled|required|valid|version|at|alg|algorithm|time|scheme|provider|details
       |consumed|used)$
    | ^(?:is|has|needs|requires|can|should)_
    | ^(?:max|min|total|prompt|completion|input|output|num|cached|reasoning)_(?:\w+_)?tokens$
    | (?:page|next|continuation|pagination|sync)_?token$
    """
_PARAMETERS = ("code", "key")  # of queries and forms, as OAuth and map services have them; else mostly something else
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@functools.lru_cache(maxsize=1024)
def is_secret(name: str, *, is_parameter: bool = False) -> bool:
    """Whether what has this name must not be read in a report.

    Args:
        name: Of a header, cookie, parameter, field, JSON key or XML element; or a path of them, such as
            ``user[password]`` or ``$.credentials.key``: below a secret name everything is one.
        is_parameter: Whether it is one of a query or of a form, where some names are secret that are not elsewhere.
    """
    if is_parameter and name.lower() in _PARAMETERS:
        return True
    steps = ["_".join(_WORD.findall(step)).lower() for step in re.split(r"[.\[\]]", unquote(name))]
    return any(re.search(_SECRET, step) and not re.search(_HARMLESS, step) for step in steps)


def mask_header(name: str, value: str) -> str:
    """The value of a header without secrets; nothing of it if its name is that of one."""
    return MASK if is_secret(name) else mask(value)


# -- secrets in a text -------------------------------------------------------------------------------------------------

_NAME = r"[\w.%\[\]-]"

# Where a secret can begin.  Each alternative is tried at a place only where a run of its characters begins, or has a
# limit, so that the time grows with the length of the text alone.  A form writes a space as "+".
_START = rf"""(?xi)
      (?P<pem>-----BEGIN[ ][A-Z0-9 ]{{0,40}}PRIVATE[ ]KEY-----)
    | (?P<userinfo>://(?P<user>[^\s/?\#"'<>\\]*)@)
    | (?P<shape>(?<![\w-])(?-i:
        eyJ[\w-]+\.[\w-]+(?:\.[\w-]*){{0,3}}                                             # JWT
      | (?:[sr]k_(?:live|test)_|whsec_|gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|shp(?:at|ss)_|npm_|sk-|pypi-|hf_
         |dop_v1_)[\w-]{{10,}}
      | A[KS]IA[A-Z0-9]{{12,}} | AIza[\w-]{{30,}} | ya29\.[\w-]{{10,}} | SG\.[\w-]{{10,}}\.[\w-]*
      ))
    | (?P<scheme>(?<!\w)(?P<kind>bearer|basic)[ +]{{1,4}}(?P<credentials>[\w.~+/-]{{2,}}=*))
    | (?P<key>(?<!\\)(?P<mark>["'])(?P<key_name>(?:[^"'\\\r\n]|\\.){{1,100}})(?P=mark)\s{{0,20}}:[\s+]{{0,20}})
    | (?P<pair>\(b?(?P<pair_mark>["'])(?P<pair_name>(?:[^"'\\\r\n]|\\.){{1,100}})(?P=pair_mark),\s?)
    | (?P<element><(?P<element_name>[A-Z_][\w:.-]{{0,100}})(?=[\s/>]))
    | (?P<part>(?<![^\r\n])content-disposition:[^\r\n]*)
    | (?P<field>(?<!{_NAME})(?P<name>{_NAME}{{1,200}})(?P<sign>=|\s{{1,8}}=(?!=)|\s{{0,8}}:(?![/:])))
    """
# The expressions below are matched at a place by `_skip`, which compiles them when they are wanted.
_NEXT = rf"(?!\s{{0,4}}{_NAME}{{1,200}}=)"  # what another name follows ends a value
_FORM = r"[^\s=&<>{}\"'/?:]{1,200}="
_FORM_VALUE = rf"(?:[^&;\r\n]|[;\r\n]{_NEXT})*"
_QUERY_VALUE = rf"""(?:[^\s&;,<>"'\])}}]|[;,]{_NEXT}|["'\])}}](?![\s,;&<>"'\])}}]|\Z))*"""
_LINE_VALUE = r"[^\r\n]*"
_WORD_VALUE = r"(?i:(?:bearer|basic|digest|token|negotiate)[ ])?[^\s,;)}\]]*"
_BARE_VALUE = r"[^\s,()\[\]{}\"']*"
_SPACE = r"[ \t]*"
_PORT = r"\d{1,5}(?:[/\s]|\Z)"
_STRINGS = {'"': r'(?s)[^"\\]*(?:\\.[^"\\]*)*', "'": r"(?s)[^'\\]*(?:\\.[^'\\]*)*"}  # up to the quote that ends one
_OPENING = r"[bBrRuUfF]{0,2}[\"']"
_LABELS = ("field", "header", "key", "name")
_LABELLED = r"""(?i)\s{0,20},?\s{0,20}(["']?)value\1\s{0,8}[:=]\s{0,8}"""

_LINE_START = re.compile(r"(?:\A|[\r\n])[ \t>*|-]{0,8}\Z")
_BRACKET = re.compile(r"[\"'{}\[\]()]")
_PROSE = ("auth", "authentication", "authorization", "credentials", "of", "realm", "scheme", "token", "tokens")

_ESCAPED = re.compile(
    r"""%[0-9A-Fa-f]{2}|\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|["'\\/bfnrt])|&(?:quot|apos|amp|lt|gt|#(?:3[489]|6[02]|[xX](?:2[267]|3[cCeE])));"""
)
_ENTITIES = {"&quot;": '"', "&apos;": "'", "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_DEPTH = 3  # JSON in a text of JSON in a query: what is nested deeper is not read
_ROUNDS = 5  # more than any text has been seen to need

_Span: TypeAlias = tuple[int, int, str]
"""Where a secret starts and ends, and what is printed in its place."""


def mask(text: AnyStr) -> AnyStr:
    """``text`` with ``***`` for each secret in it; every other character is as it was.

    It may be anything that has come over a network, whole or a part of it: a URL or the target of a request, a form,
    JSON, XML, a multipart body, lines of headers, a ``repr``, prose.  Secrets are what has the name of one and what
    has a shape that only secrets have, also if the text around them is percent-encoded, in a string of JSON, or
    written with XML's entities.  It cannot be complete: a secret under a harmless name looks like anything else.
    """
    if isinstance(text, bytes):
        return mask(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    # Masked again a text stays as it is: what follows a mask at once can look like the rest of a value.
    for _ in range(_ROUNDS):
        parts: list[str] = []
        position = 0
        for start, end, shown in _find_secrets(text):
            parts += (text[position:start], shown)
            position = end
        if not parts:
            break
        text = "".join([*parts, text[position:]])
    return text


def _find_secrets(text: str) -> list[_Span]:
    """Where the secrets are, in order and apart from each other."""
    view, maps = text, []
    found = [span for _, span in _scan(text, is_form=_skip(_FORM, text, 0) > 0)]
    for _ in range(_DEPTH):
        decoded = _decode(view)
        if decoded is None:
            break
        view, points = decoded
        maps.append(points)
        for begin, (start, end, _) in _scan(view):
            # what is plain in the text around it has been found there, where its end is seen better
            if points.find(start) - points.find(begin) != start - begin:
                for each in reversed(maps):
                    start, end = each.find(start), each.find(end)
                found.append((start, end, MASK))
    merged: list[_Span] = []
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
        return _ENTITIES.get(written) or chr(int(f"0{written[2:-1]}", 0) if written[2] in "xX" else int(written[2:-1]))
    if written[0] == "%" or written[1] in "ux":
        return chr(int(written.lstrip("%\\ux"), 16))
    return _LETTERS.get(written[1], written[1])


def _scan(text: str, *, is_form: bool = False) -> Iterator[tuple[int, _Span]]:
    """The secrets that can be seen without decoding anything, each after the place where its name or mark begins.

    Args:
        text: The text.
        is_form: It begins as a form, so that a value may have spaces in it.
    """
    pattern, position = re.compile(_START), 0
    while (match := pattern.search(text, position)) is not None:
        position = match.end()
        for start, end, shown in _READERS[match.lastgroup or ""](text, match, is_form):
            position = max(position, end)
            if start < end and text[start:end] != MASK:
                yield match.start(), (start, end, shown)


# -- a reader for each kind: the spans of the secrets behind a match of `_START` ---------------------------------------


def _read_pem(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    yield match.end(), _find(text, "-----END", match.end()), MASK


def _read_userinfo(_text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    """The password; the name before it if that is empty, as with keys of payment services."""
    start, end = match.span("user")
    name, colon, password = match["user"].partition(":")
    if colon:
        middle = start + len(name)
        yield (middle + 1, end, MASK) if password else (start, middle, MASK)


def _read_shape(_text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    yield *match.span(), MASK


def _read_scheme(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    credentials = match["credentials"]
    if match["kind"].lower() == "basic":
        is_one = _is_basic(credentials)
    else:  # neither "a bearer token" nor the challenge `Bearer realm="x"`
        is_challenge = re.fullmatch("[a-z_]+=", credentials) and text[match.end() : match.end() + 1] == '"'
        is_one = not is_challenge and credentials.lower().rstrip("=.") not in _PROSE
    if is_one:
        yield *match.span("credentials"), MASK


def _is_basic(credentials: str) -> bool:
    """Whether it is a name and a password, in Base64 and perhaps cut."""
    bare = credentials.rstrip("=")
    try:
        return b":" in base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return False


def _read_key(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    """A key of JSON, or of the ``repr`` of a dict."""
    return _read_named(text, match.end(), _unescape(match["key_name"]), match["mark"])


def _read_pair(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    """A tuple of a name and a value, as in the ``repr`` of headers."""
    if is_secret(_unescape(match["pair_name"])):
        yield _find_value(text, match.end(), match["pair_mark"])


def _unescape(name: str) -> str:
    decoded = _decode(name)
    return name if decoded is None else decoded[0]


def _read_named(text: str, position: int, name: str, mark: str) -> Iterator[_Span]:
    """A value after its name, or a name as a value and then its value: ``"name": "token", "value": "x"``."""
    if is_secret(name):
        yield _find_value(text, position, mark)
    elif name.lower() in _LABELS and text[position : position + 1] in _STRINGS:
        start, end, _ = _find_value(text, position, mark)
        value = _skip(_LABELLED, text, end + 1)
        if value > end + 1 and is_secret(text[start : min(end, start + 200)]):
            yield _find_value(text, value, mark)


def _find_value(text: str, start: int, mark: str) -> _Span:
    """A value of JSON or Python: of a text what is between its quotes."""
    begin = _skip(_OPENING, text, start)
    if begin > start:
        return begin, _skip(_STRINGS[text[begin - 1]], text, begin), MASK
    end = _skip(_BARE_VALUE, text, start)
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
            position = min(_skip(_STRINGS[match.group()], text, position) + 1, len(text))
        else:
            depth += 1 if match.group() in "{[(" else -1
            if depth == 0:
                return position
    return len(text)


def _read_element(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    """All that is in an element of XML, and its attributes."""
    name = match["element_name"]
    if not is_secret(name.rpartition(":")[2]):
        return
    closing = _find(text, ">", match.end())
    for attribute in re.finditer(r"""([\w:.-]+)\s{0,8}=\s{0,8}(?:"([^"]*)|'([^']*))""", text[match.end() : closing]):
        if not attribute[1].lower().startswith("xmlns"):
            start, end = attribute.span(2 if attribute[2] is not None else 3)
            yield match.end() + start, match.end() + end, MASK
    if text[closing - 1 : closing] != "/":
        yield min(closing + 1, len(text)), _find(text, f"</{name}", closing), MASK


def _read_part(text: str, match: re.Match[str], _is_form: bool) -> Iterator[_Span]:
    """The content of a part of a multipart body."""
    name = re.search(r'(?i)[;\s]name="?([^";\r\n]*)', match.group())
    if name is None or not is_secret(name[1]):
        return
    blank = re.compile(r"\r?\n\r?\n|\r\r").search(text, match.end())
    start = blank.end() if blank else len(text)
    boundary = re.match(r"--[^\r\n]{1,80}", text)
    end = _find(text, f"\n{boundary.group() if boundary else '--'}", max(0, start - 1))
    yield start, max(start, end - (text[end - 1 : end] == "\r")), MASK


def _read_field(text: str, match: re.Match[str], is_form: bool) -> Iterator[_Span]:
    """A parameter of a query, a field of a form, an attribute of XML, a header, or any other name before a value."""
    name, begin, start = match["name"], match.start(), match.end()
    before = text[begin - 1 : begin] if begin else ""
    is_parameter = match["sign"] == "=" and (before in ("?", "&", ";", "#") or (is_form and not before))
    if not is_secret(name, is_parameter=is_parameter):
        if name.lower() in _LABELS:
            yield from _read_named(text, start, name, '"')
    elif match["sign"].endswith("="):
        yield (start, _skip(_FORM_VALUE, text, start), MASK) if is_form else _find_after(text, start, _QUERY_VALUE)
    else:
        first = _skip(_SPACE, text, start)
        if before in _STRINGS:  # a header in a command: -H 'X-Api-Key: x'
            yield first, _skip(_STRINGS[before], text, start), MASK
        elif _LINE_START.search(text, max(0, begin - 9), begin):  # a header, or YAML; but not the host auth:8080
            if _skip(_PORT, text, start) == start:
                yield _find_after(text, first, _LINE_VALUE)
        elif (before.isspace() or before in "{[(,;") and (before in "{," or text[start : start + 1] in " \t\r\n\"'{["):
            yield _find_after(text, first, _WORD_VALUE)


def _find_after(text: str, start: int, pattern: str) -> _Span:
    """A value in quotes or brackets, or else what matches ``pattern``."""
    if text[start : start + 1] in ("{", "[", '"', "'"):
        return _find_value(text, start, "")
    return start, _skip(pattern, text, start), MASK


def _skip(pattern: str, text: str, start: int) -> int:
    """Where that ends which matches from ``start`` on; ``start`` if nothing does."""
    found = re.compile(pattern).match(text, start)
    return found.end() if found else start


def _find(text: str, mark: str, start: int) -> int:
    """Where ``mark`` is; the end of the text if it is nowhere."""
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
