"""SDKs as they are: none is given another base URL, since the stub is the proxy of the process."""

from __future__ import annotations

from typing import Any
from unittest import mock

import boto3
import github
import openai
import requests
import slack_sdk
import stripe
import twilio.rest

from liveserver_testcase import HTTPStubTestCase
from tests.integration.running import make_case, run_case

SMS = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"


class AsTheyAreTest(HTTPStubTestCase):
    """The hosts are those that the SDKs have in them."""

    stub_hosts = (
        "api.stripe.com", "api.twilio.com", "*.amazonaws.com", "api.openai.com", "api.github.com", "slack.com",
    )  # fmt: skip

    def test_twilio(self) -> None:
        """twilio uses requests, and needs nothing."""
        form = {"To": "+491", "From": "+492", "Body": "Your tea is ready"}
        sms = self.stub.expect("POST", SMS, form=form, auth=("AC1", "token"))
        sms.reply(201, json={"sid": "SM1", "status": "queued"})
        message = twilio.rest.Client("AC1", "token").messages.create(to="+491", from_="+492", body="Your tea is ready")
        self.assertEqual(("SM1", "queued"), (message.sid, message.status))

    def client(self, service: str) -> Any:
        client = boto3.client(service, region_name="eu-central-1", aws_access_key_id="AKIA", aws_secret_access_key="x")
        self.addCleanup(client.close)
        return client

    def test_s3(self) -> None:
        """boto3 looks at the variables when a client is made, and sends each bucket to a host of its own."""
        put = self.stub.expect("PUT", "https://shop.s3.eu-central-1.amazonaws.com/a.txt")
        put.reply(200, headers={"ETag": '"1"'})
        self.stub.on("GET", host="shop.s3.eu-central-1.amazonaws.com").reply(body=b"0123456789")
        s3 = self.client("s3")
        self.assertEqual('"1"', s3.put_object(Bucket="shop", Key="a.txt", Body=b"0123456789")["ETag"])
        self.assertEqual(b"0123456789", s3.get_object(Bucket="shop", Key="a.txt")["Body"].read())
        self.assertIn(b"0123456789", put.requests[0].body)  # over TLS it stands in a frame, with a checksum

    def test_sqs(self) -> None:
        """Each service has a host, too."""
        queue = "https://sqs.eu-central-1.amazonaws.com/1/mail"
        found = self.stub.expect("POST", host="sqs.eu-central-1.amazonaws.com", json={"QueueName": "mail"})
        found.reply(json={"QueueUrl": queue}, content_type="application/x-amz-json-1.0")
        self.assertEqual(queue, self.client("sqs").get_queue_url(QueueName="mail")["QueueUrl"])

    def test_openai(self) -> None:
        """openai uses httpx, which looks at the variables when a client is made."""
        models = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "us"}]}
        self.stub.expect("GET", "https://api.openai.com/v1/models", auth="sk-1").reply(json=models)
        client = openai.OpenAI(api_key="sk-1")
        self.addCleanup(client.close)
        self.assertEqual(["m"], [model.id for model in client.models.list()])

    def test_github(self) -> None:
        """PyGithub uses requests."""
        self.stub.expect("GET", "https://api.github.com/repos/ann/shop").reply(json={"full_name": "ann/shop"})
        client = github.Github(retry=None)
        self.addCleanup(client.close)
        self.assertEqual("ann/shop", client.get_repo("ann/shop").full_name)

    def test_slack(self) -> None:
        """slack_sdk uses urllib."""
        self.stub.expect("POST", "https://slack.com/api/chat.postMessage").reply(json={"ok": True, "ts": "1.2"})
        client = slack_sdk.WebClient(token="xoxb-1", retry_handlers=[])
        self.assertEqual("1.2", client.chat_postMessage(channel="#shop", text="sold")["ts"])

    def test_stripe(self) -> None:
        """stripe trusts its own list of authorities, until its ca_bundle_path says otherwise."""
        charge = {"id": "ch_1", "object": "charge", "amount": 500}
        url = "https://api.stripe.com/v1/charges"
        self.stub.expect("POST", url, form={"amount": "500", "currency": "eur"}, auth="sk_test_1").reply(json=charge)
        with mock.patch.object(stripe, "ca_bundle_path", self.stub.ca_file):
            client = stripe.StripeClient("sk_test_1", max_network_retries=0)
            made = client.v1.charges.create(params={"amount": 500, "currency": "eur"})
        self.assertEqual("ch_1", made.id)

    def test_stripe_as_it_is(self) -> None:
        """Without that its test fails, and the report says that a client does not trust the stub."""

        def test(case: Any) -> None:
            case.stub.expect("POST", "https://api.stripe.com/v1/charges").reply(json={})
            client = stripe.StripeClient("sk_test_1", max_network_retries=0)
            with case.assertRaises(stripe.APIConnectionError):
                client.v1.charges.create(params={"amount": 500, "currency": "eur"})

        report = run_case(make_case(HTTPStubTestCase, test=test, stub_hosts=["api.stripe.com"])).report
        self.assertIn("  CONNECT api.stripe.com:443: the TLS handshake failed", report)
        self.assertIn("a client does not trust the stub: give it stub.ca_file", report)

    def test_a_region_that_is_not_meant(self) -> None:
        """The report names the host that was asked for."""

        def test(case: Any) -> None:
            client = twilio.rest.Client("AC1", "token", region="au1", edge="sydney")
            with case.assertRaises(requests.ConnectionError):
                client.messages.create(to="+491", from_="+492", body="Your tea is ready")

        report = run_case(make_case(HTTPStubTestCase, test=test, stub_hosts=["api.twilio.com"])).report
        self.assertIn("CONNECT api.sydney.au1.twilio.com:443 was refused, since 'api.sydney.au1.twilio.com' is", report)
