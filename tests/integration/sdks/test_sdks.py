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

    def assert_report(self, script: Callable[[HTTPStub], Any], call: Callable[[HTTPStub], Any], *lines: str) -> None:
        """Run ``call`` in a test of its own, whose report has these lines one after the other."""

        def test(case: Any) -> None:
            script(case.stub)
            # what an SDK makes of 501 is its own affair
            with contextlib.suppress(Exception):
                call(case.stub)

        report = run_case(make_case(HTTPStubTestCase, test=test)).report
        self.assertIn("\n".join(lines), report)
        self.assertIn("was sent 1 request in this test", report)


class StripeTest(SDKTest):
    """stripe sends forms."""

    def charge(self, stub: HTTPStub, amount: int) -> Any:
        client = stripe.StripeClient(
            "sk_test_1", base_addresses={"api": stub.url}, max_network_retries=0, http_client=stripe.RequestsClient()
        )
        return client.v1.charges.create(params={"amount": amount, "currency": "eur", "metadata": {"order": "7"}})

    def script(self, stub: HTTPStub) -> None:
        form = {"amount": "500", "currency": "eur", "metadata[order]": "7"}
        charge = {"id": "ch_1", "object": "charge", "amount": 500}
        stub.expect("POST", "/v1/charges", form=form, auth="sk_test_1").reply(json=charge)

    def test_a_charge(self) -> None:
        """Its nested parameters are compared as the form that they are."""
        self.script(self.stub)
        self.assertEqual("ch_1", self.charge(self.stub, 500).id)

    def test_another_amount(self) -> None:
        """The report names the field."""
        self.assert_report(
            self.script,
            lambda stub: self.charge(stub, 5),
            "    ok   method POST",
            "    ok   path '/v1/charges'",
            "    ok   auth Bearer ***",
            "    FAIL form at amount: wanted '500', got '5'",
        )


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

    def script(self, stub: HTTPStub) -> None:
        digest = hashlib.md5(b"hello").hexdigest()
        stub.expect(
            "POST",
            "/",
            headers={"X-Amz-Target": "AmazonSQS.SendMessage"},
            json={"QueueUrl": f"{stub.url}/1/mail", "MessageBody": "hello"},
        ).reply(json={"MessageId": "m1", "MD5OfMessageBody": digest}, content_type="application/x-amz-json-1.0")

    def send(self, stub: HTTPStub, text: str) -> Any:
        return self.client("sqs", stub).send_message(QueueUrl=f"{stub.url}/1/mail", MessageBody=text)

    def test_a_message(self) -> None:
        """SQS gets its JSON."""
        self.script(self.stub)
        self.assertEqual("m1", self.send(self.stub, "hello")["MessageId"])

    def test_another_message(self) -> None:
        """The report names what differs in the JSON."""
        self.assert_report(
            self.script,
            lambda stub: self.send(stub, "bye"),
            "    ok   headers {'X-Amz-Target': 'AmazonSQS.SendMessage'}",
            "    FAIL json at $.MessageBody: wanted 'hello', got 'bye'",
        )

    def test_another_key(self) -> None:
        """The report names the path of the object."""
        self.assert_report(
            lambda stub: stub.expect("PUT", "/shop/a.txt").reply(),
            lambda stub: self.client("s3", stub).put_object(Bucket="shop", Key="b.txt", Body=b"x"),
            "    FAIL path: wanted '/shop/a.txt', got '/shop/b.txt'",
        )


class GitHubTest(SDKTest):
    """PyGithub sends JSON."""

    def open_issue(self, stub: HTTPStub, title: str) -> Any:
        client = github.Github(
            base_url=stub.url,
            auth=github.Auth.Token("t"),
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )
        self.addCleanup(client.close)
        return client.get_repo("ann/shop").create_issue(title=title)

    def script(self, stub: HTTPStub) -> None:
        issue = {"number": 7, "title": "It burns", "url": f"{stub.url}/repos/ann/shop/issues/7"}
        stub.expect("POST", "/repos/ann/shop/issues", json={"title": "It burns"}).reply(201, json=issue)

    def test_an_issue(self) -> None:
        """It is opened."""
        self.script(self.stub)
        self.assertEqual(7, self.open_issue(self.stub, "It burns").number)

    def test_another_title(self) -> None:
        """The report names what differs in the JSON."""
        self.assert_report(
            self.script,
            lambda stub: self.open_issue(stub, "It rains"),
            "    ok   path '/repos/ann/shop/issues'",
            "    FAIL json at $.title: wanted 'It burns', got 'It rains'",
        )


class SlackTest(SDKTest):
    """slack_sdk uses urllib."""

    def post(self, stub: HTTPStub, text: str) -> Any:
        client = slack_sdk.WebClient(token="xoxb-1", base_url=f"{stub.url}/api/", retry_handlers=[])
        return client.chat_postMessage(channel="#shop", text=text)

    def script(self, stub: HTTPStub) -> None:
        posted = {"ok": True, "ts": "1.2"}
        stub.expect("POST", "/api/chat.postMessage", json={"channel": "#shop", "text": "sold"}).reply(json=posted)

    def test_a_message(self) -> None:
        """It is posted."""
        self.script(self.stub)
        self.assertEqual("1.2", self.post(self.stub, "sold")["ts"])

    def test_another_message(self) -> None:
        """The report names what differs in the JSON."""
        self.assert_report(
            self.script,
            lambda stub: self.post(stub, "lost"),
            "    FAIL json at $.text: wanted 'sold', got 'lost'",
        )


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

    def test_another_model(self) -> None:
        """The report names it, and the SDK does not retry what nothing answers."""
        self.assert_report(
            lambda stub: stub.expect("POST", "/v1/chat/completions", json=INCLUDING({"model": "large"})).reply(),
            lambda stub: self.client(stub).chat.completions.create(model="small", messages=self.MESSAGES),
            "    FAIL json at $.model: wanted 'large', got 'small'",
        )


class VaultTest(SDKTest):
    """hvac uses the method LIST."""

    def list_secrets(self, stub: HTTPStub, path: str) -> Any:
        client = hvac.Client(url=stub.url, token="t")
        self.addCleanup(client.adapter.close)
        return client.secrets.kv.v2.list_secrets(path=path)

    def script(self, stub: HTTPStub) -> None:
        found = {"data": {"keys": ["db", "mail"]}}
        stub.expect("LIST", "/v1/secret/metadata/shop", headers={"X-Vault-Token": "t"}).reply(json=found)

    def test_a_list(self) -> None:
        """It is answered."""
        self.script(self.stub)
        self.assertEqual(["db", "mail"], self.list_secrets(self.stub, "shop")["data"]["keys"])

    def test_another_path(self) -> None:
        """The report names it."""
        self.assert_report(
            self.script,
            lambda stub: self.list_secrets(stub, "shops"),
            "    ok   method LIST",
            "    FAIL path: wanted '/v1/secret/metadata/shop', got '/v1/secret/metadata/shops'",
        )


class ElasticsearchTest(SDKTest):
    """elasticsearch has a content type of its own, and looks for a header of its server."""

    def index(self, stub: HTTPStub, title: str) -> Any:
        client = elasticsearch.Elasticsearch(stub.url, max_retries=0)
        self.addCleanup(client.close)
        return client.index(index="notes", id="1", document={"title": title})

    def script(self, stub: HTTPStub) -> None:
        stored = stub.expect("PUT", "/notes/_doc/1", json={"title": "Tea"})
        stored.reply(201, json={"result": "created"}, headers={"X-Elastic-Product": "Elasticsearch"})

    def test_a_document(self) -> None:
        """It is stored."""
        self.script(self.stub)
        self.assertEqual("created", self.index(self.stub, "Tea")["result"])

    def test_another_document(self) -> None:
        """The report names what differs in the JSON."""
        self.assert_report(
            self.script,
            lambda stub: self.index(stub, "Coffee"),
            "    FAIL json at $.title: wanted 'Tea', got 'Coffee'",
        )


class SentryTest(SDKTest):
    """sentry-sdk sends compressed envelopes from a thread of its own."""

    def script(self, stub: HTTPStub) -> Any:
        text = re.compile('.*"message":"It burns".*', re.DOTALL)
        return stub.expect("POST", "/api/1/envelope/", text=text).reply(json={"id": "1"})

    def capture(self, stub: HTTPStub, message: str) -> None:
        client = sentry_sdk.Client(
            dsn=f"http://key@{stub.host}:{stub.port}/1",
            default_integrations=False,
            auto_enabling_integrations=False,
            send_client_reports=False,
        )
        client.capture_event({"message": message})
        client.close(timeout=5)

    def test_an_event(self) -> None:
        """Its envelope is decompressed for the criteria."""
        envelope = self.script(self.stub)
        self.capture(self.stub, "It burns")
        (request,) = envelope.requests
        self.assertIn(request.headers["Content-Encoding"], ("gzip", "br"))
        self.assertNotIn(b"It burns", request.body)

    def test_another_event(self) -> None:
        """The report shows the text that was sent, not its compressed octets."""
        self.assert_report(
            self.script,
            lambda stub: self.capture(stub, "It rains"),
            "    ok   path '/api/1/envelope/'",
            """    FAIL text: wanted re.compile('.*"message":"It burns".*', re.DOTALL), got '{""",
        )
