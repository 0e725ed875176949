"""Each SDK works through a stub, and where it sends something else the report names the nearest miss."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Callable
from typing import Any

import boto3
import elasticsearch
import github
import hvac
import openai
import sentry_sdk
import slack_sdk
import stripe
from botocore.config import Config

from liveserver_testcase import INCLUDING, HTTPStub, HTTPStubTestCase
from tests.integration.running import make_case, run_case


class SDKTest(HTTPStubTestCase):
    """A stub, and a client that sends each request once."""

    maxDiff = None

    def check(
        self,
        expect: Callable[[HTTPStub], Any],
        call: Callable[[HTTPStub, str], Any],
        sent: str,
        returned: object,
        mistaken: str,
        *lines: str,
    ) -> None:
        """Send what is expected, and something else in a test of its own, whose report has these lines in a row."""
        expect(self.stub)
        self.assertEqual(returned, call(self.stub, sent))

        def test(case: Any) -> None:
            expect(case.stub)
            with contextlib.suppress(Exception):  # what an SDK makes of 501 is its own affair
                call(case.stub, mistaken)

        report = run_case(make_case(HTTPStubTestCase, test=test)).report
        self.assertIn("\n".join(lines), report)
        self.assertIn("was sent 1 request in this test", report)


class EachTest(SDKTest):
    """What is sent is what is expected, field by field; where it is not, the report names the nearest miss."""

    def test_stripe(self) -> None:
        """stripe sends forms, whose nested parameters are fields of theirs."""

        def expect(stub: HTTPStub) -> None:
            form = {"amount": "500", "currency": "eur", "metadata[order]": "7"}
            charge = {"id": "ch_1", "object": "charge", "amount": 500}
            stub.expect("POST", "/v1/charges", form=form, auth="sk_test_1").reply(json=charge)

        def charge(stub: HTTPStub, amount: str) -> Any:
            client = stripe.StripeClient(
                "sk_test_1",
                base_addresses={"api": stub.url},
                max_network_retries=0,
                http_client=stripe.RequestsClient(),
            )
            return client.v1.charges.create(params={"amount": amount, "currency": "eur", "metadata": {"order": "7"}}).id

        ok = ("    ok   method POST", "    ok   path '/v1/charges'", "    ok   auth Bearer ***")
        self.check(expect, charge, "500", "ch_1", "5", *ok, "    FAIL form at amount: wanted '500', got '5'")

    def test_github(self) -> None:
        """PyGithub sends JSON."""

        def expect(stub: HTTPStub) -> None:
            issue = {"number": 7, "title": "It burns", "url": f"{stub.url}/repos/ann/shop/issues/7"}
            stub.expect("POST", "/repos/ann/shop/issues", json={"title": "It burns"}).reply(201, json=issue)

        def open_issue(stub: HTTPStub, title: str) -> Any:
            pauses = dict.fromkeys(("retry", "seconds_between_requests", "seconds_between_writes"))
            client = github.Github(base_url=stub.url, auth=github.Auth.Token("t"), lazy=True, **pauses)
            self.addCleanup(client.close)
            return client.get_repo("ann/shop").create_issue(title=title).number

        lines = (
            "    ok   path '/repos/ann/shop/issues'",
            "    FAIL json at $.title: wanted 'It burns', got 'It rains'",
        )
        self.check(expect, open_issue, "It burns", 7, "It rains", *lines)

    def test_slack(self) -> None:
        """slack_sdk uses urllib."""

        def expect(stub: HTTPStub) -> None:
            posted = stub.expect("POST", "/api/chat.postMessage", json={"channel": "#shop", "text": "sold"})
            posted.reply(json={"ok": True, "ts": "1.2"})

        def post(stub: HTTPStub, text: str) -> Any:
            client = slack_sdk.WebClient(token="xoxb-1", base_url=f"{stub.url}/api/", retry_handlers=[])
            return client.chat_postMessage(channel="#shop", text=text)["ts"]

        self.check(expect, post, "sold", "1.2", "lost", "    FAIL json at $.text: wanted 'sold', got 'lost'")

    def test_vault(self) -> None:
        """hvac uses the method LIST."""

        def expect(stub: HTTPStub) -> None:
            listed = stub.expect("LIST", "/v1/secret/metadata/shop", headers={"X-Vault-Token": "t"})
            listed.reply(json={"data": {"keys": ["db", "mail"]}})

        def list_secrets(stub: HTTPStub, path: str) -> Any:
            client = hvac.Client(url=stub.url, token="t")
            self.addCleanup(client.adapter.close)
            return client.secrets.kv.v2.list_secrets(path=path)["data"]["keys"]

        miss = "    FAIL path: wanted '/v1/secret/metadata/shop', got '/v1/secret/metadata/shops'"
        self.check(expect, list_secrets, "shop", ["db", "mail"], "shops", "    ok   method LIST", miss)

    def test_elasticsearch(self) -> None:
        """elasticsearch has a content type of its own, and looks for a header of its server."""

        def expect(stub: HTTPStub) -> None:
            stored = stub.expect("PUT", "/notes/_doc/1", json={"title": "Tea"})
            stored.reply(201, json={"result": "created"}, headers={"X-Elastic-Product": "Elasticsearch"})

        def index(stub: HTTPStub, title: str) -> Any:
            client = elasticsearch.Elasticsearch(stub.url, max_retries=0)
            self.addCleanup(client.close)
            return client.index(index="notes", id="1", document={"title": title})["result"]

        self.check(expect, index, "Tea", "created", "Coffee", "    FAIL json at $.title: wanted 'Tea', got 'Coffee'")

    def test_sentry(self) -> None:
        """sentry-sdk sends compressed envelopes from a thread of its own; criteria and report have their text."""
        sent: list[Any] = []

        def expect(stub: HTTPStub) -> None:
            text = re.compile('.*"message":"It burns".*', re.DOTALL)
            sent.append(stub.expect("POST", "/api/1/envelope/", text=text).reply(json={"id": "1"}))

        def capture(stub: HTTPStub, message: str) -> None:
            client = sentry_sdk.Client(
                dsn=f"http://key@{stub.host}:{stub.port}/1",
                default_integrations=False,
                auto_enabling_integrations=False,
                send_client_reports=False,
            )
            client.capture_event({"message": message})
            client.close(timeout=5)

        miss = """    FAIL text: wanted re.compile('.*"message":"It burns".*', re.DOTALL), got '{"""
        self.check(expect, capture, "It burns", None, "It rains", "    ok   path '/api/1/envelope/'", miss)
        (request,) = sent[0].requests
        self.assertIn(request.headers["Content-Encoding"], ("gzip", "br"))
        self.assertNotIn(b"It burns", request.body)


class BotoTest(SDKTest):
    """boto3 sends XML, JSON, octets, and waits for 100 Continue."""

    def client(self, service: str, stub: HTTPStub) -> Any:
        client = boto3.client(
            service,
            endpoint_url=stub.url,
            region_name="eu-central-1",
            aws_access_key_id="AKIA",
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        self.addCleanup(client.close)
        return client

    def test_put_and_get(self) -> None:
        """An object is stored, and read whole and in part."""
        self.stub.expect("PUT", "/shop/a.txt", body=b"0123456789").reply(200, headers={"ETag": '"1"'})
        self.stub.on("GET", "/shop/a.txt").reply(body=b"0123456789")
        s3 = self.client("s3", self.stub)
        self.assertEqual('"1"', s3.put_object(Bucket="shop", Key="a.txt", Body=b"0123456789")["ETag"])
        self.assertEqual(b"0123456789", s3.get_object(Bucket="shop", Key="a.txt")["Body"].read())
        part = s3.get_object(Bucket="shop", Key="a.txt", Range="bytes=2-5")
        self.assertEqual((b"2345", "bytes 2-5/10"), (part["Body"].read(), part["ContentRange"]))

    def test_a_download_and_an_upload_in_parts(self) -> None:
        """The transfer manager begins an upload, sends each part and ends it."""
        size = 8 * 1024 * 1024  # the manager's limit for one part
        content = bytes(size) + b"end"
        began = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
        ended = "<CompleteMultipartUploadResult><ETag>all</ETag></CompleteMultipartUploadResult>"
        self.stub.expect("POST", "/shop/big", query={"uploads": ""}).reply(body=began, content_type="text/xml")
        parts = []
        for number in ("1", "2"):
            part = self.stub.expect("PUT", "/shop/big", query={"partNumber": number, "uploadId": "u1"})
            parts.append(part.reply(200, headers={"ETag": f'"{number}"'}))
        both = re.compile(".*<PartNumber>1<.*<PartNumber>2<.*")
        finish = self.stub.expect("POST", "/shop/big", query={"uploadId": "u1"}, text=both)
        finish.reply(body=ended, content_type="text/xml")
        self.client("s3", self.stub).upload_fileobj(io.BytesIO(content), "shop", "big")
        # a part may stand in frames, each with its length and a checksum
        self.assertIn(bytes(size // 8), parts[0].requests[0].body)
        self.assertIn(b"end", parts[1].requests[0].body)

    def test_a_message(self) -> None:
        """SQS gets its JSON; the report names what differs in it."""

        def expect(stub: HTTPStub) -> None:
            stub.expect(
                "POST",
                "/",
                headers={"X-Amz-Target": "AmazonSQS.SendMessage"},
                json={"QueueUrl": f"{stub.url}/1/mail", "MessageBody": "hello"},
            ).reply(
                json={"MessageId": "m1", "MD5OfMessageBody": hashlib.md5(b"hello").hexdigest()},
                content_type="application/x-amz-json-1.0",
            )

        def send(stub: HTTPStub, text: str) -> Any:
            client = self.client("sqs", stub)
            return client.send_message(QueueUrl=f"{stub.url}/1/mail", MessageBody=text)["MessageId"]

        lines = (
            "    ok   headers {'X-Amz-Target': 'AmazonSQS.SendMessage'}",
            "    FAIL json at $.MessageBody: wanted 'hello', got 'bye'",
        )
        self.check(expect, send, "hello", "m1", "bye", *lines)


class OpenAITest(SDKTest):
    """openai uses httpx, and reads server-sent events."""

    MESSAGES: Any = [{"role": "user", "content": "Hi"}]

    def client(self, stub: HTTPStub, **options: Any) -> Any:
        client = openai.OpenAI(api_key="sk-1", base_url=f"{stub.url}/v1", **options)
        self.addCleanup(client.close)
        return client

    def test_a_stream(self) -> None:
        """Its pieces come one after the other."""

        def piece(text: str) -> dict[str, object]:
            choice = {"index": 0, "delta": {"content": text}}
            data = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
            return {"data": data}

        chat = self.stub.expect("POST", "/v1/chat/completions", auth="sk-1")
        chat.reply_sse([piece("Hel"), piece("lo"), {"data": "[DONE]"}])
        with self.client(self.stub).chat.completions.create(model="m", messages=self.MESSAGES, stream=True) as stream:
            self.assertEqual(["Hel", "lo"], [event.choices[0].delta.content for event in stream])

    def test_errors(self) -> None:
        """A status is the exception that the SDK has for it."""
        client = self.client(self.stub, max_retries=0)
        for status, error in ((429, openai.RateLimitError), (500, openai.InternalServerError)):
            self.stub.expect("POST", "/v1/chat/completions").reply(status, json={"error": {"message": "no"}})
            with self.subTest(status=status), self.assertRaises(error):
                client.chat.completions.create(model="m", messages=self.MESSAGES)

    def test_a_model(self) -> None:
        """The report names another model, and the SDK does not retry what nothing answers."""

        def expect(stub: HTTPStub) -> None:
            stub.expect("POST", "/v1/chat/completions", json=INCLUDING({"model": "large"})).reply(json={"id": "c"})

        def ask(stub: HTTPStub, model: str) -> Any:
            return self.client(stub).chat.completions.create(model=model, messages=self.MESSAGES).id

        self.check(expect, ask, "large", "c", "small", "    FAIL json at $.model: wanted 'large', got 'small'")
