"""Faults as plans: what times where, and which combinations make no sense."""

from __future__ import annotations

import itertools
import re
import unittest
from pathlib import Path

from liveserver_testcase import UsageError
from liveserver_testcase.stub.faults import Fault, FaultPlan, FaultPoint, plan_connection, plan_exchange


class PlanTest(unittest.TestCase):
    """`plan_exchange` and `plan_connection`."""

    def assert_refused(self, message: str, *args: object, **kwargs: object) -> None:
        with self.assertRaises(UsageError) as caught:
            plan_exchange(*args, **kwargs)  # type: ignore[arg-type]
        self.assertEqual(message, str(caught.exception))

    def test_the_place_where_a_fault_is_at_home(self) -> None:
        """Where none is given, each fault has its own."""
        homes = {
            FaultPoint.RESPONSE_START: (
                Fault.RESET, Fault.CLOSE, Fault.STALL, Fault.GARBAGE, Fault.BAD_STATUS_LINE,
                Fault.BAD_HEADER, Fault.HALF_CLOSE,
            ),
            FaultPoint.RESPONSE_BODY: (Fault.TRUNCATE, Fault.BAD_CHUNK, Fault.WRONG_LENGTH),
            FaultPoint.REQUEST_START: (Fault.NO_READ,),
        }  # fmt: skip
        for place, faults in homes.items():
            for fault in faults:
                with self.subTest(fault=fault):
                    self.assertEqual(FaultPlan(fault, place), plan_exchange(fault))

    def test_every_combination_is_decided(self) -> None:
        """It is a plan, or it is refused with the places where it would make sense."""
        made = 0
        for fault, place in itertools.product(Fault, FaultPoint):
            with self.subTest(fault=fault, place=place):
                try:
                    self.assertEqual(FaultPlan(fault, place), plan_exchange(fault, place))
                    made += 1
                except UsageError as error:
                    self.assertRegex(
                        str(error), f"^{fault} at {place} (makes no sense; it can happen at FaultPoint|happens)"
                    )
        self.assertEqual(28, made)

    def test_what_makes_no_sense(self) -> None:
        """The message names where the fault can happen."""
        self.assert_refused(
            "Fault.TRUNCATE at FaultPoint.RESPONSE_START makes no sense; it can happen at FaultPoint.RESPONSE_BODY",
            Fault.TRUNCATE,
            FaultPoint.RESPONSE_START,
        )
        self.assert_refused(
            "Fault.NO_READ at FaultPoint.RESPONSE_END makes no sense; it can happen at "
            "FaultPoint.REQUEST_START or FaultPoint.REQUEST_BODY",
            Fault.NO_READ,
            FaultPoint.RESPONSE_END,
        )

    def test_before_there_is_a_request(self) -> None:
        """What happens when a client connects is no expectation's business."""
        for fault in (Fault.TLS_HANDSHAKE, Fault.EXPIRED_CERT, Fault.WRONG_HOST_CERT, Fault.UNTRUSTED_CERT):
            self.assert_refused(
                f"{fault} at FaultPoint.CONNECT happens before there is a request that an expectation could match; "
                f"write stub.on_connect({fault})",
                fault,
            )
        self.assert_refused(
            "Fault.RESET at FaultPoint.CONNECT happens before there is a request that an expectation could match; "
            "write stub.on_connect(Fault.RESET)",
            Fault.RESET,
            FaultPoint.CONNECT,
        )

    def test_connections(self) -> None:
        """What can happen to a connection that has brought no request yet."""
        possible = [fault for fault in Fault if self.can_connect(fault)]
        self.assertEqual(
            [
                Fault.RESET, Fault.CLOSE, Fault.STALL, Fault.GARBAGE, Fault.HALF_CLOSE, Fault.TLS_HANDSHAKE,
                Fault.EXPIRED_CERT, Fault.WRONG_HOST_CERT, Fault.UNTRUSTED_CERT,
            ],
            possible,
        )  # fmt: skip

    def can_connect(self, fault: Fault) -> bool:
        try:
            return plan_connection(fault) == FaultPlan(fault, FaultPoint.CONNECT)
        except UsageError as error:
            self.assertRegex(str(error), f"^{fault} at FaultPoint.CONNECT makes no sense; it can happen at ")
            return False

    def test_things_that_are_neither(self) -> None:
        """Other things are refused with all that there are."""
        faults, places = ", ".join(map(str, Fault)), ", ".join(map(str, FaultPoint))
        self.assert_refused(f"fault is 'reset'; wanted one of {faults}", "reset")
        self.assert_refused(f"at is 'connect'; wanted one of {places}", Fault.RESET, "connect")
        with self.assertRaises(UsageError) as caught:
            plan_connection("reset")  # type: ignore[arg-type]
        self.assertEqual(f"fault is 'reset'; wanted one of {faults}", str(caught.exception))

    def test_after_bytes(self) -> None:
        """It goes with a body."""
        self.assertEqual(7, plan_exchange(Fault.RESET, FaultPoint.RESPONSE_BODY, 7).cut(100))
        self.assertEqual(50, plan_exchange(Fault.RESET, FaultPoint.RESPONSE_BODY).cut(100))
        self.assertEqual(1, plan_exchange(Fault.RESET, FaultPoint.RESPONSE_BODY).cut(None))
        for value in (-1, "5", 1.5, True):
            self.assert_refused(
                f"after_bytes is {value!r}; wanted a number of bytes, 0 or more", Fault.TRUNCATE, after_bytes=value
            )
        self.assert_refused(
            "after_bytes is 5, but FaultPoint.RESPONSE_START is a moment without bytes; "
            "it goes with FaultPoint.REQUEST_BODY and FaultPoint.RESPONSE_BODY",
            Fault.RESET,
            after_bytes=5,
        )

    def test_in_words(self) -> None:
        """A journal says what was done."""
        self.assertEqual("reset at response start", plan_exchange(Fault.RESET).describe())
        self.assertEqual(
            "truncate at response body, after 1,000 bytes", plan_exchange(Fault.TRUNCATE, after_bytes=1000).describe()
        )

    def test_what_comes_before_the_body_is_read(self) -> None:
        """Those places are early."""
        early = {place for place in FaultPoint if FaultPlan(Fault.RESET, place).is_early}
        self.assertEqual({FaultPoint.REQUEST_START, FaultPoint.REQUEST_BODY}, early)

    def test_the_table_in_the_documentation(self) -> None:
        """It has every fault, at just the places where it can happen, and tells the one where it is at home."""
        page = Path(__file__).parents[3] / "docs" / "reference" / "faults.rst"
        text = page.read_text(encoding="utf-8")
        table = re.findall(r"^   \* - (.+)\n((?:     -.*\n){6})", text, re.M)
        shown: dict[str, list[str]] = {}
        for name, row in table[1:]:
            names = re.findall("``(.+?)``", name)
            if "certificates" in name:
                names += ["EXPIRED_CERT", "WRONG_HOST_CERT", "UNTRUSTED_CERT"]
            shown.update({known: [line[6:].strip() for line in row.splitlines()] for known in names})
        for fault in Fault:
            for place, cell in zip(FaultPoint, shown[fault.name], strict=True):
                with self.subTest(fault=fault, place=place):
                    self.assertEqual(self.is_possible(fault, place), cell != "", cell)
            home = list(FaultPoint)[shown[fault.name].index("**yes**")]
            if home is not FaultPoint.CONNECT:
                self.assertEqual(FaultPlan(fault, home), plan_exchange(fault))

    def is_possible(self, fault: Fault, place: FaultPoint) -> bool:
        try:
            plan_connection(fault) if place is FaultPoint.CONNECT else plan_exchange(fault, place)
        except UsageError:
            return False
        return True

    def test_every_member_is_documented(self) -> None:
        """Each has a value that can stand in a sentence."""
        for member in (*Fault, *FaultPoint):
            self.assertRegex(member.value, "^[a-zA-Z ]+$")
