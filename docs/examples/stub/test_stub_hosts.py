"""An API whose host is written into the code that calls it."""

import asyncio
import os
import subprocess
import sys
import unittest

import aiohttp
import httpx
import requests

from liveserver_testcase import HTTPStub, HTTPStubTestCase


def charge(amount):
    """The code under test, which nobody can give another host."""
    answer = requests.post("https://api.stripe.com/v1/charges", data={"amount": amount}, timeout=5)
    return answer.json()["id"]


def read_report(zone):
    """The same, for several hosts."""
    with httpx.Client() as client:
        return client.get(f"https://reports.s3.{zone}.amazonaws.com/today.txt").text


class ChargeTest(HTTPStubTestCase):
    stub_hosts = ["api.stripe.com", "*.amazonaws.com"]

    def test_a_charge(self):
        self.stub.expect("POST", "https://api.stripe.com/v1/charges", form={"amount": "500"}).reply(json={"id": "ch_1"})
        self.assertEqual("ch_1", charge(500))

    def test_two_zones(self):
        self.stub.on("GET", "/today.txt", host="reports.s3.eu-central-1.amazonaws.com").reply(text="Europe")
        self.stub.on("GET", "/today.txt", host="reports.s3.us-east-1.amazonaws.com").reply(text="America")
        self.assertEqual(["Europe", "America"], [read_report("eu-central-1"), read_report("us-east-1")])

    def test_a_program(self):
        self.stub.expect("GET", "https://api.stripe.com/v1/balance").reply(text="12")
        program = "import requests; print(requests.get('https://api.stripe.com/v1/balance', timeout=5).text)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual("12\n", done.stdout)


class AiohttpTest(HTTPStubTestCase):
    stub_hosts = ["api.stripe.com"]

    def test_a_balance(self):
        async def get():
            connector = aiohttp.TCPConnector(ssl=self.stub.client_context())
            async with (
                aiohttp.ClientSession(trust_env=True, connector=connector) as session,
                session.get("https://api.stripe.com/v1/balance") as answer,
            ):
                return await answer.text()

        self.stub.expect("GET", "https://api.stripe.com/v1/balance").reply(text="12")
        self.assertEqual("12", asyncio.run(get()))


class ByHandTest(unittest.TestCase):
    def test_for_a_block(self):
        with HTTPStub(hosts=["api.stripe.com"]) as stub, stub.as_proxy():
            stub.expect("POST", "https://api.stripe.com/v1/charges").reply(json={"id": "ch_1"})
            self.assertEqual("ch_1", charge(500))
            stub.verify()

    def test_for_another_process_alone(self):
        with HTTPStub(hosts=["api.stripe.com"]) as stub:
            self.assertEqual(stub.proxy_url, stub.proxy_environ()["HTTPS_PROXY"])
            self.assertNotEqual(stub.proxy_url, os.environ.get("HTTPS_PROXY"))


if __name__ == "__main__":
    unittest.main()
