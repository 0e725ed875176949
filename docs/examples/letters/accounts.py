"""The code under test: it mails people who have forgotten their password."""

import secrets
import smtplib
from email.message import EmailMessage


def send_reset(address, name, host, port):
    """Mail a link, and a code for those who cannot follow it."""
    code = f"{secrets.randbelow(1_000_000):06}"
    mail = EmailMessage()
    mail["From"] = "The shop <shop@example.com>"
    mail["To"] = address
    mail["Subject"] = f"A new password for {name}"
    mail.set_content(f"Hello {name},\n\nhttps://shop.example/reset?code={code}\n\nor type this code: {code}\n")
    mail.add_alternative(
        f'<p>Hello {name}, <a href="https://shop.example/reset?code={code}">choose a new password</a>'
        f"<p>or type this code: <b>{code}</b>",
        subtype="html",
    )
    with smtplib.SMTP(host, port, timeout=5) as smtp:
        smtp.send_message(mail)
    return code
