"""Run the shop's tests and show what happened on the wire: ``make demo``."""

from __future__ import annotations

import logging
import os
import sys
import time
import unittest

import shop
import test_checkout
from flask import Flask
from test_checkout import CheckoutTest

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase

logging.disable(logging.ERROR)  # Flask's own log of the error that the last part shows


class ShownCheckoutTest(CheckoutTest):
    """The same tests, which tell what their three servers saw."""

    def tearDown(self) -> None:
        for exchange in self.live_server.journal.entries(self.live_server.journal.window):
            print(f"    shop         {exchange.method} {exchange.target} -> {exchange.status}")
        for request in self.stub.requests:
            print(f"    payment API  {request.method} {request.path} {request.text} -> {request.exchange.status}")
        for mail in self.outbox:
            print(f"    mail server  to {', '.join(mail.to)}: {mail.subject!r}, {mail.text.splitlines()[0]!r}")


class MistakenShopTest(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
    """A shop with a mistake in it: it asks the payment API for ``/charge/charges``."""

    @classmethod
    def create_app(cls) -> Flask:
        return shop.create_shop(cls.stub.url_for("/charge"), cls.smtp.host, cls.smtp.port)

    def test_a_sale(self) -> None:
        self.stub.expect("POST", "/charges").reply(201, json={"id": "pay_42"})
        self.live.post("/buy", data={"item": "tea", "email": "ann@example.com"})


class Narrator(unittest.TextTestResult):
    """Says what each test is about, and how it ended."""

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        print(f"\n  {test.id().rpartition('.')[2].removeprefix('test_').replace('_', ' ')}")

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        print("    passed")


def run(case: type[unittest.TestCase], result: type[unittest.TextTestResult]) -> unittest.TestResult:
    """Run one test class."""
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=result, verbosity=0)
    return runner.run(unittest.defaultTestLoader.loadTestsFromTestCase(case))


def main() -> int:
    """Run the tests that pass and the one that does not; 0 if it went that way."""
    print("A Flask shop on a live port, a payment API that is a script, an SMTP server that captures all email.")
    print("Three real servers, started once for the class:")
    began = time.perf_counter()
    good = run(ShownCheckoutTest, Narrator)
    seconds = time.perf_counter() - began
    print(f"\n{good.testsRun} tests, three servers started and stopped: {seconds * 1000:.0f} ms in all.")
    print("\nNow the same shop with a mistake: it calls /charge/charges. Nothing in the test looks for that,")
    print("and the shop hides it behind a polite answer. The test fails all the same, and says why:\n")
    bad = run(MistakenShopTest, unittest.TextTestResult)
    print("\nThe tests are in docs/examples/checkout/test_checkout.py; the README shows how to write your own.")
    print("To click through the shop, with a page that shows what its servers are sent, start them by hand:\n")
    program, tests = os.path.relpath(sys.executable), os.path.relpath(test_checkout.__file__)
    print(f"    {program} -m liveserver_testcase all {tests}:CheckoutTest")
    return 0 if good.wasSuccessful() and len(bad.failures) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
