"""What a scripted fault looks like to the two clients of the documentation's table."""

from __future__ import annotations

import asyncio
import smtplib
from typing import Any

from liveserver_testcase import SMTPServer
from tests.integration.mail.clients import MAIL
from tests.support import HANG

__all__ = ["USERS", "ask_aiosmtplib", "ask_smtplib"]

USERS = {"ann": "secret"}

_FROM, _TO = "ann@example.com", ["bob@example.com", "eve@example.com"]


def ask_smtplib(server: SMTPServer, need: str) -> str:
    """What smtplib makes of it, in a word or two; the client may need ``starttls``, ``login`` or a short timeout."""
    smtp: smtplib.SMTP | None = None
    try:
        smtp = smtplib.SMTP(*server.addr, timeout=_patience(need))
        if need == "starttls":
            smtp.starttls(context=server.client_context())
        if need == "login":
            smtp.login("ann", "secret")
        refused = smtp.sendmail(_FROM, _TO, MAIL)
        smtp.quit()
        return _describe_result(refused)
    except (OSError, smtplib.SMTPException) as error:
        return _describe_error(error)
    finally:
        if smtp is not None:
            smtp.close()


def ask_aiosmtplib(server: SMTPServer, need: str) -> str:
    """What aiosmtplib makes of it, likewise."""
    return asyncio.run(_ask(server, need))


async def _ask(server: SMTPServer, need: str) -> str:
    import aiosmtplib

    host, port = server.addr
    smtp = aiosmtplib.SMTP(hostname=host, port=port, timeout=_patience(need), start_tls=False)
    try:
        await smtp.connect()
        if need == "starttls":
            await smtp.starttls(tls_context=server.client_context())
        if need == "login":
            await smtp.login("ann", "secret")
        refused, _ = await smtp.sendmail(_FROM, _TO, MAIL)
        await smtp.quit()
        return _describe_result(refused)
    except (OSError, aiosmtplib.SMTPException) as error:
        return _describe_error(error)
    finally:
        smtp.close()


def _patience(need: str) -> float:
    """Seconds that a client waits for an answer."""
    return 0.3 if need == "a short timeout" else HANG


def _describe_result(refused: Any) -> str:
    codes = {address.partition("@")[0]: answer[0] for address, answer in refused.items()}
    return f"sent, but not to {', '.join(f'{name}: {code}' for name, code in codes.items())}" if codes else "sent"


def _describe_error(error: Any) -> str:
    """The class, with the code if there is one."""
    code = getattr(error, "smtp_code", getattr(error, "code", None))
    recipients = getattr(error, "recipients", None)
    if isinstance(recipients, dict):
        code = next(iter(recipients.values()))[0]
    elif isinstance(recipients, list):
        code = recipients[0].code
    return f"``{type(error).__name__}``{f' {code}' if code is not None else ''}"
