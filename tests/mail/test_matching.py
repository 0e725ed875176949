"""Criteria together."""

from __future__ import annotations

import unittest
from unittest.mock import ANY

from liveserver_testcase.mail.criteria import Criteria
from tests.mail import letter, receive

WELCOME = receive(letter("Welcome!"))


class TheCriteria(unittest.TestCase):
    def test_all(self) -> None:
        """A mail matches if it meets every criterion."""
        criteria = Criteria.build(to="ann@example.com", subject="Welcome!")
        self.assertTrue(criteria.matches(WELCOME))
        self.assertEqual(criteria.mismatches(WELCOME), [])

    def test_one_fails(self) -> None:
        """A mail that fails one criterion does not match, and the mismatch is that one."""
        criteria = Criteria.build(to="ann@example.com", subject="Welcome", text="Ann")
        self.assertFalse(criteria.matches(WELCOME))
        self.assertEqual([each.criterion for each in criteria.mismatches(WELCOME)], ["subject"])

    def test_none(self) -> None:
        """Every mail meets criteria of which there are none."""
        self.assertTrue(Criteria.build().matches(receive(b"")))

    def test_str(self) -> None:
        """Criteria look as they were written."""
        self.assertEqual(
            str(Criteria.build(to=["a@x"], cc=None, text=ANY, headers={"X": "1"})),
            "to=['a@x'], cc=None, text=ANY, headers['X']='1'",
        )

    def test_frozen(self) -> None:
        """Criteria cannot be changed."""
        criteria = Criteria.build(subject="x")
        with self.assertRaises(AttributeError):
            criteria.criteria = ()  # type: ignore[misc]
        self.assertEqual(str(criteria), "subject='x'")
