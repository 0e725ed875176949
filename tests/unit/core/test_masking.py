"""What is masked in a report."""

from __future__ import annotations

import json
import unittest
from urllib.parse import quote as encode
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from liveserver_testcase.core.masking import MASK, is_secret, mask, mask_header

SECRET_NAMES = (
    "api_key", "apiKey", "API-KEY", "X-API-Key", "accesskey", "AWSAccessKeyId", "account_key", "AccountKey",
    "x-functions-key", "Ocp-Apim-Subscription-Key", "DD-APPLICATION-KEY", "signing_key", "encryptionKey", "privateKey",
    "private_key", "consumer_key", "token", "tokens", "access_token", "accessToken", "accesstoken", "refreshToken",
    "id_token", "X-Auth-Token", "X-Vault-Token", "csrfmiddlewaretoken", "csrf", "X-CSRFToken", "xsrf-token", "jwt",
    "secret", "secrets", "client_secret", "clientSecret", "webhookSecret", "password", "Password", "passWord",
    "userPassword", "new_password", "password1", "password_confirmation", "passwd", "passphrase", "passcode", "pwd",
    "pass", "db_pass", "smtpPass", "passwort", "kennwort", "auth", "Authorization", "Proxy-Authorization",
    "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Hub-Signature-256", "sig", "sid", "connect.sid",
    "session", "session_id", "sessionid", "PHPSESSID", "JSESSIONID", "ASP.NET_SessionId", "cookie", "Set-Cookie",
    "cookies", "credentials", "credential", "otp", "totp", "mfa_code", "one_time_code", "verification_code",
    "auth_code", "authorization_code", "device_code", "backup_codes", "code_verifier", "oauth_token",
    "oauth_signature", "oauth_verifier", "assertion", "client_assertion", "SAMLResponse", "hmac", "bearer", "pin",
    "pin_code", "cvv", "cvc", "cvv2", "card_number", "cardNumber", "ccNumber", "pan", "user[password]",
    "user[token][]", "user%5Bpassword%5D", "user.password", "$.credentials.user", "credentials[0]", "ssn",
    "connection_string",
)  # fmt: skip

HARMLESS_NAMES = (
    "author", "authors", "authority", "Idempotency-Key", "keyboard", "monkey", "keyword", "keywords", "keys",
    "primary_key", "publicKey", "public_key", "cache_key", "sort-key", "key", "code", "status_code", "country_code",
    "design", "signal", "sign_up", "assigned", "tokenizer", "tokenized", "token_type", "tokenType", "token_endpoint",
    "max_tokens", "maxTokens", "prompt_tokens", "page_token", "nextPageToken", "password_policy", "password_required",
    "has_password", "isSecret", "auth_method", "authenticated", "WWW-Authenticate", "Sec-WebSocket-Key", "secretary",
    "secret_name", "user", "username", "email", "client_id", "client_assertion_type", "grant_type", "redirect_uri",
    "scope", "state", "nonce", "expires_in", "compass", "passenger", "passed", "bypass", "spin", "pinned", "shipping",
    "panel", "company", "sessions", "accessory", "expected", "hotpot", "side", "cookie_consent", "id", "q", "page",
    "name", "Content-Type", "Accept", "Host", "User-Agent", "X-Request-ID", "theme", "date", "amount", "number",
)  # fmt: skip

# What comes in, and what is printed.
TEXTS = (
    # targets and URLs
    ("/a?b=1&key=hunter2&c=2", "/a?b=1&key=***&c=2"),
    ("/cb?code=hunter2&state=1", "/cb?code=***&state=1"),
    ("/?token=hunter2;a=1", "/?token=***;a=1"),
    ("/?a=1#access_token=hunter2&b=1", "/?a=1#access_token=***&b=1"),
    ("/?user[password]=hunter2&user[name]=ann", "/?user[password]=***&user[name]=ann"),
    ("/?user%5Bpassword%5D=a%26hunter2&b=1", "/?user%5Bpassword%5D=***&b=1"),
    ("/?token=a,b'hunter2&c=1", "/?token=***&c=1"),
    ("/?token=&a=1", "/?token=&a=1"),
    ("http://ann:hunter2@shop.test/x", "http://ann:***@shop.test/x"),
    ("https://ann:hun:ter2@shop.test", "https://ann:***@shop.test"),
    ("https://hunter2:@shop.test", "https://***:@shop.test"),
    ("https://ann@shop.test", "https://ann@shop.test"),
    ("postgresql://ann:hunter2@db:5432/x?a=1", "postgresql://ann:***@db:5432/x?a=1"),
    ("/?next=https%3A%2F%2Fh%2F%3Ftoken%3Dhunter2%26c%3D1&d=1", "/?next=https%3A%2F%2Fh%2F%3Ftoken%3D***%26c%3D1&d=1"),
    ("/?next=http%3A%2F%2Fann%3Ahunter2%40h%2F", "/?next=http%3A%2F%2Fann%3A***%40h%2F"),
    ("/?u=%2F%3Fn%3D%252F%253Ftoken%253Dhunter2", "/?u=%2F%3Fn%3D%252F%253Ftoken%253D***"),
    ("http://auth:8080/x", "http://auth:8080/x"),
    ("auth:443", "auth:443"),
    ("/token=1;key=2/x", "/token=***;key=***"),
    ("/a/b?keyword=tea&author=ann&flag&empty=", "/a/b?keyword=tea&author=ann&flag&empty="),
    # forms
    ("a=1&password=correct horse hunter2&b=2", "a=1&password=***&b=2"),
    ("password=hunter2", "password=***"),
    ("key=hunter2&a=1", "key=***&a=1"),
    (
        "payload=%7B%22password%22%3A%22hunter2%22%2C%22a%22%3A1%7D",
        "payload=%7B%22password%22%3A%22***%22%2C%22a%22%3A1%7D",
    ),
    ("a=1\r\npassword=hunter2\r\nb=2", "a=1\r\npassword=***\r\nb=2"),
    ("sid=hunter2; theme=dark", "sid=***; theme=dark"),
    # JSON
    ('{"password": "hunter2", "a": "b"}', '{"password": "***", "a": "b"}'),
    ('{"pin": 1234, "a": 1}', '{"pin": "***", "a": 1}'),
    ('{"token": null, "a": null}', '{"token": "***", "a": null}'),
    ('{"secrets": ["a]", {"b": "c}"}], "d": 1}', '{"secrets": "***", "d": 1}'),
    ('{"credentials": {"user": "ann", "deep": {"x": [1]}}, "d": {}}', '{"credentials": "***", "d": {}}'),
    ('{"a": [{"b": {"apiKey": "hunter2"}}]}', '{"a": [{"b": {"apiKey": "***"}}]}'),
    ('{"password": "hun\\"ter2", "a": 1}', '{"password": "***", "a": 1}'),
    ('{"pass\\u0077ord": "hunter2"}', '{"pass\\u0077ord": "***"}'),
    ('{"password" :\n "hunter2"}', '{"password" :\n "***"}'),
    ('{"password": ""}', '{"password": ""}'),
    ('{"body": "{\\"password\\": \\"hunter2\\"}"}', '{"body": "{\\"password\\": \\"***\\"}"}'),
    ('{"url": "http:\\/\\/h\\/?token=hunter2"}', '{"url": "http:\\/\\/h\\/?token=***"}'),
    ('{"name": "password", "value": "hunter2", "a": 1}', '{"name": "password", "value": "***", "a": 1}'),
    ('{"required": ["password", "email"]}', '{"required": ["password", "email"]}'),
    # what is no JSON, or not all of it
    ('{"password": "hunter2', '{"password": "***'),
    ('{"a": 1, "token": ["hunter2", "x', '{"a": 1, "token": "***"'),
    ('{"a": "5" inch", "password": "hunter2"}', '{"a": "5" inch", "password": "***"}'),
    ('{"password": "hunter2" "a": 1}', '{"password": "***" "a": 1}'),
    ("{password: 'hunter2', a: 1}", "{password: '***', a: 1}"),
    ("{'password': 'hunter2', 'a': 1}", "{'password': '***', 'a': 1}"),
    ("{'token': re.compile('hunter2', 2), 'a': 1}", "{'token': '***', 'a': 1}"),
    ("{'token': b'hunter2', 'a': 1}", "{'token': b'***', 'a': 1}"),
    ("MultiDict([('token', 'hunter2'), ('a', '1')])", "MultiDict([('token', '***'), ('a', '1')])"),
    # headers
    ('Authorization: Digest username="ann", response="hunter2"\r\nA: 1', "Authorization: ***\r\nA: 1"),
    ("GET / HTTP/1.1\r\nCookie: a=hunter2; b=hunter2\r\nA: 1", "GET / HTTP/1.1\r\nCookie: ***\r\nA: 1"),
    ("A: 1\r\nCookie: a=hunter2; b=hunter2", "A: 1\r\nCookie: ***"),
    ("X-Api-Key:hunter2\r\nAccept: */*", "X-Api-Key:***\r\nAccept: */*"),
    ("curl -H 'X-Api-Key: hunter2' -d x", "curl -H 'X-Api-Key: ***' -d x"),
    ('WWW-Authenticate: Bearer realm="shop"', 'WWW-Authenticate: Bearer realm="shop"'),
    # multipart
    (
        (
            '--B\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n--x\r\n--B\r\n'
            'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n'
        ),
        (
            '--B\r\nContent-Disposition: form-data; name="password"\r\n\r\n***\r\n--B\r\n'
            'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n'
        ),
    ),
    (
        '--B\r\nContent-Disposition: form-data; name="private_key"; filename="id"\r\nContent-Type: a/b\r\n\r\nhun',
        '--B\r\nContent-Disposition: form-data; name="private_key"; filename="id"\r\nContent-Type: a/b\r\n\r\n***',
    ),
    # XML
    ("<a><password>hunter2</password><b>1</b></a>", "<a><password>***</password><b>1</b></a>"),
    ("<w:Password T='hunter2'><x>hunter2</x></w:Password>", "<w:Password T='***'>***</w:Password>"),
    ('<user password="hunter2" name="ann"/>', '<user password="***" name="ann"/>'),
    ('<add key="ApiKey" value="hunter2" b="1"/>', '<add key="ApiKey" value="***" b="1"/>'),
    ("<token>hunter2", "<token>***"),
    ("<token/><a>1</a>", "<token/><a>1</a>"),
    ("<url>http://h/?token=hunter2&amp;a=1</url>", "<url>http://h/?token=***&amp;a=1</url>"),
    ("<a>{&quot;password&quot;: &quot;hunter2&quot;}</a>", "<a>{&quot;password&quot;: &quot;***&quot;}</a>"),
    # shapes
    ("Bearer hunter2", "Bearer ***"),
    ("it sent Bearer hunter2.x-y, and", "it sent Bearer ***, and"),
    ("Bearer%20hunter2", "Bearer%20***"),
    (
        "<a>{&#x27;pin&#x27;: &#39;hunter2&#39;, &#X22;a&#34;: 1}</a>",
        "<a>{&#x27;pin&#x27;: &#39;***&#39;, &#X22;a&#34;: 1}</a>",
    ),
    ('["Authorization", "Bearer hunter2"]', '["Authorization", "Bearer ***"]'),
    ('{"h": "Bearer hunter2="}', '{"h": "Bearer ***"}'),
    ("payload=%7B%22token%22%3A+%22hunter2%22%7D&a=1", "payload=%7B%22token%22%3A+%22***%22%7D&a=1"),
    ("payload=%7B%22pin%22%3A+1234%2C+%22a%22%3A+1%7D", "payload=%7B%22pin%22%3A+***%2C+%22a%22%3A+1%7D"),
    ("a bearer token came", "a bearer token came"),
    ("Basic YW5uOnNlY3JldA==", "Basic ***"),
    ("Basic information", "Basic information"),
    ("/x/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln/y", "/x/***/y"),
    ('{"note": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"}', '{"note": "***"}'),
    ("cursor eyJpZCI6MX0", "cursor eyJpZCI6MX0"),
    ("sk_live_" + "4eC39HqLyjWDarjtT1", "***"),
    ("AKIA" + "IOSFODNN7EXAMPLE is it", "*** is it"),
    ("ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", "***"),
    (
        "-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----\n",
    ),
    ('{"k": "-----BEGIN RSA PRIVATE KEY-----\\nMIIhunter2\\n', '{"k": "-----BEGIN RSA PRIVATE KEY-----***'),
    # prose
    ("ValueError: token: hunter2 is old", "ValueError: token: *** is old"),
    ("grüße, 東京 ✓ a: b, c = d", "grüße, 東京 ✓ a: b, c = d"),
)

WORDS = st.text("abcxyzABC0123456789 äß東-_.!?*~/+", max_size=12)
HARMLESS = st.sampled_from([name for name in HARMLESS_NAMES if name not in ("key", "code", "name")])
SECRETS = st.sampled_from([name for name in SECRET_NAMES if "%" not in name])
SECRET = "hunter2\"'&;=<}]\\ é\n%41"  # every character that ends something somewhere


def json_values(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Nested data whose names are all harmless."""
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HARMLESS, inner, max_size=3)
    )


PLAIN = json_values(st.none() | st.booleans() | st.integers(-999, 999) | WORDS)
HIDDEN = json_values(st.just(SECRET)).filter(lambda value: "hunter2" in json.dumps(value))


def plant(plain: object, name: str, hidden: object) -> object:
    """``plain`` with something hidden in it, as deep as it goes."""
    if isinstance(plain, dict) and plain:
        first, *rest = plain
        return {first: plant(plain[first], name, hidden), **{key: plain[key] for key in rest}}
    if isinstance(plain, list) and plain:
        return [plant(plain[0], name, hidden), *plain[1:]]
    return {"before": plain, name: hidden, "after": plain}


class NamesTest(unittest.TestCase):
    """Names say whether their values are secrets."""

    def test_names_of_secrets(self) -> None:
        """In every spelling, and in brackets or after dots."""
        for name in SECRET_NAMES:
            for spelled in (name, name.lower(), name.replace("_", "-")):
                with self.subTest(name=spelled):
                    self.assertTrue(is_secret(spelled))

    def test_other_names(self) -> None:
        """What has such a word in it, or says something about a secret, is none."""
        for name in HARMLESS_NAMES:
            with self.subTest(name=name):
                self.assertFalse(is_secret(name))

    def test_a_header(self) -> None:
        """Of a secret one nothing is shown, of another all but the secrets in it."""
        self.assertEqual("***", mask_header("Cookie", "a=b"))
        self.assertEqual("http://h/?token=***", mask_header("Referer", "http://h/?token=hunter2"))


class MaskTest(unittest.TestCase):
    """Texts of any kind without what nobody may read in a log."""

    def test_texts(self) -> None:
        """Each is printed as it is written beside it, and masking that again changes nothing."""
        for text, shown in TEXTS:
            with self.subTest(text=text):
                self.assertEqual(shown, mask(text))
                self.assertEqual(shown, mask(shown))
                self.assertEqual(shown.encode(), mask(text.encode()))

    def test_names_in_a_query(self) -> None:
        """Every secret name loses its value in a query, every other one keeps it."""
        for name in SECRET_NAMES:
            self.assertEqual(f"/a?b=1&{name}=***&c=2", mask(f"/a?b=1&{name}=hunter2&c=2"))
        for name in set(HARMLESS_NAMES) - {"key", "code"}:
            self.assertEqual(f"/a?b=1&{name}=x&c=2", mask(f"/a?b=1&{name}=x&c=2"))

    def test_bytes_that_are_no_text(self) -> None:
        """They stay what they are."""
        self.assertEqual(b"\xff\x00\xc3", mask(b"\xff\x00\xc3"))
        self.assertEqual(b"a=\xff&token=***&\xfe", mask(b"a=\xff&token=\xc3\xa0\x85\xff&\xfe"))

    @settings(deadline=None)
    @given(PLAIN, SECRETS, HIDDEN, st.sampled_from([None, 1]), st.booleans())
    def test_a_secret_never_comes_through_and_the_rest_does(
        self, plain: object, name: str, hidden: object, indent: int | None, ascii_only: bool
    ) -> None:
        """In JSON of any depth, and in JSON in a form or in JSON: only what is below the secret name is lost."""
        data = plant(plain, name, hidden)
        write = json.JSONEncoder(indent=indent, ensure_ascii=ascii_only).encode
        shown = mask(write(data))
        self.assertNotIn("hunter2", shown)
        if isinstance(hidden, str) and MASK not in json.dumps(plain):
            self.assertEqual(write(plant(plain, name, MASK)), shown)
        self.assertEqual(shown, mask(shown))
        for nested in (f"payload={encode(write(data), safe='')}&a=1", write({"body": write(data)})):
            self.assertNotIn("hunter2", mask(nested))
            self.assertEqual(mask(nested), mask(mask(nested)))

    @settings(deadline=None)
    @given(st.lists(st.tuples(HARMLESS, WORDS), max_size=4), SECRETS, st.lists(st.tuples(HARMLESS, WORDS), max_size=4))
    def test_a_form_keeps_everything_else(
        self, before: list[tuple[str, str]], name: str, after: list[tuple[str, str]]
    ) -> None:
        """As it was sent, byte for byte."""
        parts = [urlencode(before), urlencode({name: "\0"}).replace("%00", "{}"), urlencode(after)]
        text = "&".join(filter(None, parts))
        for form in (text, f"/x?{text}", f"http://ann@h/x?{text}"):
            self.assertEqual(form.format(MASK), mask(form.format(encode(SECRET, safe=""))))

    @settings(deadline=None)
    @given(st.text("\"'{}[]()<>/=:;,&?%\\ \r\n-.ab@|", max_size=30), st.sampled_from(SECRET_NAMES), st.data())
    def test_masking_again_changes_nothing(self, text: str, name: str, data: st.DataObject) -> None:
        """Whatever the text is."""
        place = data.draw(st.integers(0, len(text)))
        shown = mask(f"{text[:place]}{name}{text[place:]}")
        self.assertEqual(shown, mask(shown))

    def test_the_time_grows_with_the_length_alone(self) -> None:
        """A megabyte of what could be the beginning of something at every place is read to its end."""
        for part in (
            "'a",
            '"token": [',
            "token=;",
            "<token ",
            "://a:",
            "eyJ-",
            "%22password%22%3A",
            "basic A",
            "\n",
            ")",
        ):
            text = "token=" + part * (1_000_000 // len(part))
            with self.subTest(part=part):
                self.assertIsInstance(mask(text), str)
