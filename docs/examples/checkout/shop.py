"""A small shop: an order form, a payment API that it calls, and a receipt that it mails."""

from __future__ import annotations

import os
import smtplib
from email.message import EmailMessage

import requests
from flask import Flask, abort, request

PRICES = {"tea": 450, "coffee": 620, "cocoa": 580}  # in cents

FORM = """<!doctype html>
<title>The corner shop</title>
<h1>The corner shop</h1>
<form action="/buy" method="post">
  <label>What <select name="item"><option>tea<option>coffee<option>cocoa</select></label>
  <label>Your e-mail <input name="email" type="email" required></label>
  <button>Buy</button>
</form>
"""


def create_shop(payment_url: str, mail_host: str, mail_port: int) -> Flask:
    """Make the shop.

    Args:
        payment_url: Where the payment API answers to ``POST /charges``.
        mail_host: The mail server that takes the receipts.
        mail_port: Its port.
    """
    shop = Flask(__name__)

    @shop.get("/")
    def form() -> str:
        return FORM

    @shop.post("/buy")
    def buy() -> tuple[str, int]:
        item, email = request.form["item"], request.form["email"]
        if item not in PRICES:
            abort(404, f"we do not sell {item}")
        charge = {"amount": PRICES[item], "currency": "EUR", "email": email}
        try:
            answer = requests.post(f"{payment_url}/charges", json=charge, timeout=5)
            if answer.status_code == 402:
                return "Your card was declined.", 402
            answer.raise_for_status()
        except requests.RequestException:
            return "We cannot take payments just now. You have not been charged.", 503
        send_receipt(email, item, answer.json()["id"])
        return f"Thank you for buying {item}.", 201

    def send_receipt(email: str, item: str, payment: str) -> None:
        mail = EmailMessage()
        mail["From"] = "The corner shop <shop@example.com>"
        mail["To"] = email
        mail["Subject"] = f"Your {item}"
        mail.set_content(f"You paid {PRICES[item] / 100:.2f} EUR for {item}.\nPayment: {payment}\n")
        with smtplib.SMTP(mail_host, mail_port, timeout=5) as smtp:
            smtp.send_message(mail)

    return shop


def main() -> Flask:
    """The shop as it runs in production: ``flask --app shop:main run``."""
    return create_shop(
        os.environ["PAYMENT_URL"], os.environ.get("MAIL_HOST", "localhost"), int(os.environ.get("MAIL_PORT", "25"))
    )
