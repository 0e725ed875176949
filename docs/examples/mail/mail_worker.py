"""The part of a shop that sends mail, as a function and as a process of its own."""

import os
import smtplib
from email.message import EmailMessage


def send(host, port, to, subject):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", to, subject
    mail.set_content("Thank you.\n")
    with smtplib.SMTP(host, port, timeout=5) as smtp:
        smtp.send_message(mail)


if __name__ == "__main__":
    send(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"]), "ann@example.com", "From the worker")
