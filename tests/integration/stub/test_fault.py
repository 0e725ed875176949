"""Faults as plans: what times where, and which combinations make no sense."""

from __future__ import annotations

import itertools
import re
import unittest

from liveserver_testcase import Fault, FaultPoint, HTTPStub, UsageError
from liveserver_testcase.stub.faults import FaultPlan, plan_fault
from tests.support import ROOT

FAULTS, POINTS = ", ".join(map(str, Fault)), ", ".join(map(str, FaultPoint))
BODY = FaultPoint.RESPONSE_BODY


class PlanTest(unittest.TestCase):
    """`plan_fault`, as `Expectation.fail` and `HTTPStub.on_connect` use it."""

    def test_every_combination_is_in_the_documentation(self) -> None:
        """The table has every fault, at just the points where it can happen, and says which is the usual one."""
        text = (ROOT / "docs" / "reference" / "faults.rst").read_text(encoding="utf-8")
        shown: dict[str, list[str]] = {}
        for name, row in re.findall(r"^   \* - (.+)\n((?:     -.*\n){6})", text, re.M)[1:]:
            names = re.findall("``(.+?)``", name)
            if "certificates" in name:
                names += ["EXPIRED_CERT", "WRONG_HOST_CERT", "UNTRUSTED_CERT"]
            shown.update({known: [line[6:].strip() for line in row.splitlines()] for known in names})
        for fault, point in itertools.product(Fault, FaultPoint):
            cell = shown[fault.name][list(FaultPoint).index(point)]
            with self.subTest(fault=fault, point=point):
                try:
                    plan = plan_fault(fault, point, has_request=point is not FaultPoint.CONNECT)
                except UsageError as error:
                    self.assertRegex(str(error), f"^{fault} at {point} makes no sense; it can happen at FaultPoint")
                    self.assertEqual("", cell)
                else:
                    self.assertEqual(FaultPlan(fault, point), plan)
                    self.assertNotEqual("", cell)
                if cell == "**yes**":
                    self.assertEqual(point, plan_fault(fault, has_request=False).point)

    def test_refusals(self) -> None:
        """What is refused says what was wanted."""
        at_connect = (
            "Fault.RESET at FaultPoint.CONNECT happens before there is a request that an expectation could match; "
            "write stub.on_connect(Fault.RESET)"
        )
        no_bytes = (
            "after_bytes is 5, but FaultPoint.RESPONSE_START is a moment without bytes; "
            "it goes with FaultPoint.REQUEST_BODY and FaultPoint.RESPONSE_BODY"
        )
        no_read = "it can happen at FaultPoint.REQUEST_START or FaultPoint.REQUEST_BODY"
        refused: list[tuple[str, dict[str, object]]] = [
            (f"Fault.NO_READ at {BODY} makes no sense; {no_read}", {"fault": Fault.NO_READ, "at": BODY}),
            (at_connect, {"fault": Fault.RESET, "at": FaultPoint.CONNECT}),
            (f"fault is 'reset'; wanted one of {FAULTS}", {"fault": "reset"}),
            (f"at is 'connect'; wanted one of {POINTS}", {"fault": Fault.RESET, "at": "connect"}),
            (no_bytes, {"fault": Fault.RESET, "after_bytes": 5}),
        ]
        for value in (-1, "5", 1.5, True):
            message = f"after_bytes is {value!r}; wanted a number of bytes, 0 or more"
            refused.append((message, {"fault": Fault.TRUNCATE, "after_bytes": value}))
        stub = HTTPStub()
        for message, arguments in refused:
            with self.subTest(message):
                expectation = stub.on("GET", "/x").reply(200, "hello")
                with self.assertRaises(UsageError) as caught:
                    expectation.fail(**arguments)  # type: ignore[arg-type]
                self.assertEqual(message, str(caught.exception))
        with self.assertRaises(UsageError) as caught:
            stub.on_connect("reset")  # type: ignore[arg-type]
        self.assertEqual(f"fault is 'reset'; wanted one of {FAULTS}", str(caught.exception))

    def test_where_in_the_body(self) -> None:
        """After so many bytes, or in the middle; the journal says so."""
        self.assertEqual(7, plan_fault(Fault.RESET, BODY, 7).cut(100))
        self.assertEqual(50, plan_fault(Fault.RESET, BODY).cut(100))
        self.assertEqual(1, plan_fault(Fault.RESET, BODY).cut(None))
        self.assertEqual(
            "truncate at response body, after 1,000 bytes", plan_fault(Fault.TRUNCATE, after_bytes=1000).describe()
        )
