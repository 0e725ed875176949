"""The reference is complete, and has nothing that is not public."""

from __future__ import annotations

import inspect
import re
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

import liveserver_testcase as package
from liveserver_testcase import ReceivedEmail
from liveserver_testcase.mail.criteria import KNOWN, EmailCriteria
from tests.docs.pages import REFERENCE

# What public members return or are, and nobody makes: documented, but not exported.
RETURNED = {
    "cases.live_assertions.ExpectedErrors",
    "cases.live_handle.LiveServerHandle",
    "core.journal.Journal",
    "core.journal.JournalWindow",
    "core.server.Server",
    "core.server.State",
    "mail.criteria.Criteria",
    "mail.headers.Headers",
    "mail.message.Envelope",
    "mail.message.MessageDetails",
    "mail.message.SessionFacts",
    "mail.outbox.CapturedEmails",
    "mail.outbox.EmailList",
    "mail.outbox.Outbox",
    "mail.scripting.ScriptedFaults",
    "stub.script.ScenarioScript",
    "web.capture.Capture",
    "web.capture.CapturedMessage",
    "web.capture.WebSocketMessage",
    "web.session.LiveSession",
}


@dataclass
class Documented:
    """One ``autoclass`` or its like: what it names, and the members that it lists."""

    name: str
    members: list[str]

    @property
    def target(self) -> object:
        module, _, name = self.name.rpartition(".")
        return getattr(import_module(f"{package.__name__}.{module}") if module else package, name)


def find_documented() -> Iterator[Documented]:
    """Yield all that the reference documents."""
    directive = re.compile(
        r"^\.\. auto(?:class|data|exception|function):: (\S+)\n((?: {3}.*\n|\n(?= {3}))*)", re.MULTILINE
    )
    for page in REFERENCE.glob("*.rst"):
        for name, options in directive.findall(page.read_text(encoding="utf-8")):
            listed = re.search(r":members:(.*(?:\n {6,}.*)*)", options)
            members = re.findall(r"\w+", listed[1]) if listed else []
            yield Documented(name.removeprefix(f"{package.__name__}."), members)


def find_public(case: type) -> set[str]:
    """The public names that the library gives to a test class, but for those of its base class."""
    ours = [each for each in case.__mro__ if each.__module__.startswith(package.__name__)]
    names = {
        name for each in ours for name in (*vars(each), *inspect.get_annotations(each)) if not name.startswith("_")
    }
    return names if case is package.ServerTestCase else names - find_public(package.ServerTestCase)


class NamesTest(unittest.TestCase):
    """Every public name is in the reference, and nothing else is."""

    documented = tuple(find_documented())

    def test_names(self) -> None:
        """Each exported name is documented once, and besides only what those names return."""
        self.assertEqual(sorted([*package.__all__, *RETURNED]), sorted(each.name for each in self.documented))

    def test_members(self) -> None:
        """Each member that is listed is public, and is there."""
        for each in self.documented:
            target = each.target
            for name in each.members:
                with self.subTest(name=f"{each.name}.{name}"):
                    self.assertFalse(name.startswith("_"))
                    declared = hasattr(target, name) or name in getattr(target, "__annotations__", {})
                    self.assertTrue(declared or f"{name}:" in (inspect.getdoc(target) or ""))

    def test_the_names_of_a_test_class(self) -> None:
        """Each public name of the mixins is listed, or is a setting in the table, with its default and its variable."""
        table = (REFERENCE / "settings.rst").read_text(encoding="utf-8")
        listed = {each.name: set(each.members) for each in self.documented}
        for case, prefix, variable in (
            (package.ServerTestCase, "no prefix", ""),
            (package.LiveServerTestCase, "live_", "LIVESERVER_"),
            (package.HTTPStubTestCase, "stub_", "STUBSERVER_"),
            (package.SMTPTestCase, "smtp_", "SMTPSERVER_"),
        ):
            attributes = set(re.findall(r"^ {4}(\w+)(?:, \w+)*:", inspect.getdoc(case) or "", re.MULTILINE))
            for name in find_public(case) - listed[case.__name__] - attributes:
                with self.subTest(case=case.__name__, name=name):
                    self.assertIn(f"``{name}``", table)
            for name, value in vars(case).items():
                if name.startswith(prefix) and isinstance(value, str | int | float):
                    named = f"``{variable}{name.removeprefix(prefix).upper()}``"
                    with self.subTest(name=name):
                        self.assertRegex(table, rf"``{name}``\s+``{re.escape(str(value))}``\s+{named}")


class MailTest(unittest.TestCase):
    """The page about mail."""

    page = (REFERENCE / "mail.rst").read_text(encoding="utf-8")

    def test_every_criterion(self) -> None:
        """Each criterion has a row, and is known to type checkers."""
        names = {*KNOWN, "attachment", "headers", "tls"}
        self.assertEqual(set(EmailCriteria.__annotations__), names)
        for name in names:
            with self.subTest(name):
                self.assertRegex(self.page, rf"(?m)^``{name}`` ")

    def test_every_member_of_a_mail(self) -> None:
        """Each public property and method of a mail is documented."""
        listed = re.findall(r"\w+", self.page.partition("autoclass:: ReceivedEmail")[2].partition("..")[0])
        members = {name for name in vars(ReceivedEmail) if not name.startswith("_")}
        self.assertEqual(members - set(listed), set())
