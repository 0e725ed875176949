"""The shop, tested as its customers use it: over HTTP, with a payment API and a mail server that are played."""

from __future__ import annotations

import unittest

from flask import Flask
from shop import create_shop

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase


class CheckoutTest(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase):
    """A customer buys something."""

    @classmethod
    def create_app(cls) -> Flask:
        return create_shop(payment_url=cls.stub.url, mail_host=cls.smtp.host, mail_port=cls.smtp.port)

    def buy(self, item: str):
        return self.live.post("/buy", data={"item": item, "email": "ann@example.com"})

    def test_a_sale_is_charged_and_receipted(self):
        charge = self.stub.expect("POST", "/charges").reply(201, json={"id": "pay_42"})

        answer = self.buy("tea")

        self.assertEqual(answer.status_code, 201)
        self.assertEqual(charge.requests[0].json, {"amount": 450, "currency": "EUR", "email": "ann@example.com"})
        mail = self.assertEmailSent(to="ann@example.com", subject="Your tea")
        self.assertIn("Payment: pay_42", mail.text)

    def test_a_declined_card_is_told_to_the_customer(self):
        self.stub.expect("POST", "/charges").reply(402, json={"error": "card_declined"})

        answer = self.buy("coffee")

        self.assertEqual((answer.status_code, answer.text), (402, "Your card was declined."))
        self.assertNoEmailSent()

    def test_an_outage_of_the_payment_api_sells_nothing(self):
        self.stub.expect("POST", "/charges").reply(500, text="database on fire")

        answer = self.buy("cocoa")

        self.assertEqual(answer.status_code, 503)
        self.assertIn("You have not been charged", answer.text)
        self.assertNoEmailSent()

    def test_nothing_is_charged_for_what_is_not_sold(self):
        answer = self.buy("petrol")

        self.assertEqual(answer.status_code, 404)
        self.assertRequested("POST", "/charges", times=0)
        self.assertNoEmailSent()

    def test_the_order_form_sends_no_mail(self):
        self.assertIn('<form action="/buy"', self.live.get("/").text)
        self.assertNoEmailSent()


if __name__ == "__main__":
    unittest.main()
