"""The journal: order, windows, limits, and waiting without a lost wake-up."""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import dataclass, field

from freezegun import freeze_time

from liveserver_testcase.core.journal import Journal, JournalWindow, drain
from liveserver_testcase.errors import UsageError
from tests.support import HANG, NoLeaks


@dataclass
class Note:
    """The least that a journal can keep."""

    text: str
    index: int = -1
    window: JournalWindow = field(default_factory=lambda: JournalWindow(-1, "none yet"))


def texts(notes: list[Note]) -> list[str]:
    return [note.text for note in notes]


class TheRecord(NoLeaks):
    """What was added, and in which test."""

    def setUp(self) -> None:
        super().setUp()
        self.journal: Journal[Note] = Journal()

    def add(self, *notes: str) -> None:
        for note in notes:
            self.journal.add(Note(note))

    def test_entries_are_in_the_order_of_their_arrival(self) -> None:
        """`entries()` gives what was added, oldest first, with indexes from 0."""
        self.add("a", "b", "c")
        self.assertEqual(["a", "b", "c"], texts(self.journal.entries()))
        self.assertEqual([0, 1, 2], [note.index for note in self.journal.entries()])
        self.assertEqual(3, len(self.journal))

    def test_entries_are_a_snapshot(self) -> None:
        """What is added later does not appear in a list that was handed out."""
        self.add("a")
        before = self.journal.entries()
        self.add("b")
        self.assertEqual(["a"], texts(before))

    def test_before_the_first_test(self) -> None:
        """What comes before any test has begun belongs to window 0."""
        self.add("early")
        self.assertEqual(JournalWindow(0, "before the first test"), self.journal.window)
        self.assertEqual(self.journal.window, self.journal.entries()[0].window)

    def test_an_entry_belongs_to_the_epoch_it_came_in(self) -> None:
        """`begin` makes the next window; entries can be asked for by window."""
        first = self.journal.begin("test_a")
        self.add("a")
        second = self.journal.begin("test_b")
        self.add("b")
        self.assertEqual((JournalWindow(1, "test_a"), JournalWindow(2, "test_b")), (first, second))
        self.assertIs(second, self.journal.window)
        self.assertEqual(["a"], texts(self.journal.entries(first)))
        self.assertEqual(["b"], texts(self.journal.entries(second)))
        self.assertEqual(["a", "b"], texts(self.journal.entries()))

    def test_an_entry_may_be_of_an_earlier_epoch(self) -> None:
        """What began in an earlier test can be added to that one."""
        first = self.journal.begin("test_a")
        self.journal.begin("test_b")
        self.journal.add(Note("late"), first)
        self.assertEqual(["late"], texts(self.journal.entries(first)))

    def test_two_tests_of_one_name_are_two_epochs(self) -> None:
        """Epochs are told apart by their number, as when a test is run again."""
        first = self.journal.begin("test_a")
        self.add("a")
        again = self.journal.begin("test_a")
        self.assertEqual([], self.journal.entries(again))
        self.assertEqual(["a"], texts(self.journal.entries(first)))

    def test_clear_forgets_and_goes_on(self) -> None:
        """`clear` forgets the entries; indexes and windows are never used twice."""
        self.journal.begin("test_a")
        self.add("a", "b")
        self.journal.clear()
        self.assertEqual([], self.journal.entries())
        self.add("c")
        self.assertEqual((2, 1), (self.journal.entries()[0].index, self.journal.begin("test_b").number - 1))

    def test_the_oldest_go_when_it_is_full(self) -> None:
        """Beyond the limit the oldest entries go; they are counted, and there is a sentence for it."""
        journal: Journal[Note] = Journal(limit=2)
        self.assertEqual((0, ""), (journal.dropped, journal.dropped_message))
        for text in "abcde":
            journal.add(Note(text))
        self.assertEqual(["d", "e"], texts(journal.entries()))
        self.assertEqual(3, journal.dropped)
        self.assertEqual(
            "the journal keeps 2 entries, and 3 more came: the oldest are gone. Set a higher limit to keep them.",
            journal.dropped_message,
        )
        journal.clear()
        self.assertEqual((0, ""), (journal.dropped, journal.dropped_message))

    def test_a_bad_limit(self) -> None:
        """A limit that keeps nothing, or is no number, is refused."""
        for limit in (0, -1, True, 1.5, None):
            wanted = f"a journal's limit is {limit!r}; wanted a whole number of entries, 1 or more"
            with self.subTest(limit=limit), self.assertRaisesRegex(UsageError, f"^{re.escape(wanted)}$"):
                Journal(limit)  # type: ignore[arg-type]

    def test_take_all(self) -> None:
        """`drain` empties a list in place and hands on what was in it."""
        found = [1, 2]
        self.assertEqual([1, 2], drain(found))
        self.assertEqual([], found)

    def test_take_all_beside_appending_threads(self) -> None:
        """Nothing is lost or taken twice while other threads append."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        found: list[int] = []
        taken: list[int] = []
        adder = threading.Thread(target=lambda: [found.append(number) for number in range(50_000)])
        adder.start()
        while adder.is_alive():
            taken += drain(found)
        adder.join(HANG)
        self.assertEqual(list(range(50_000)), taken + drain(found))


class Waiting(NoLeaks):
    """`wait_for` a predicate, in one thread, while others add."""

    def setUp(self) -> None:
        super().setUp()
        self.journal: Journal[Note] = Journal()

    def while_waiting(self, act: object, predicate: object, timeout: float = HANG) -> object:
        """What `wait_for` returns if ``act`` is called once it has asked for the first time."""
        asked = threading.Event()

        def ask() -> object:
            result = predicate()  # type: ignore[operator]
            asked.set()
            return result

        def act_then() -> None:
            asked.wait(HANG)
            act()  # type: ignore[operator]

        other = threading.Thread(target=act_then)
        other.start()
        try:
            return self.journal.wait_for(ask, timeout)
        finally:
            other.join(HANG)

    def test_what_is_true_already_is_returned(self) -> None:
        """A predicate that is true at once is asked once, and its result is returned."""
        answers = iter([["found"]])
        self.assertEqual(["found"], self.journal.wait_for(lambda: next(answers), HANG))

    def test_no_timeout_asks_once(self) -> None:
        """With 0 seconds the predicate is asked once."""
        answers = iter([""])
        self.assertEqual("", self.journal.wait_for(lambda: next(answers), 0))

    def test_it_gives_up(self) -> None:
        """After the timeout the last result, a false one, is returned."""
        self.assertEqual([], self.journal.wait_for(list, 0.01))

    def test_an_entry_wakes(self) -> None:
        """`add` wakes a waiter."""
        found = self.while_waiting(lambda: self.journal.add(Note("a")), self.journal.entries)
        self.assertEqual(["a"], texts(found))  # type: ignore[arg-type]

    def test_a_change_of_an_entry_wakes(self) -> None:
        """`touch` wakes a waiter who looks into an entry."""
        note = Note("begun")
        self.journal.add(note)

        def complete() -> None:
            note.text = "completed"
            self.journal.notify()

        self.assertTrue(self.while_waiting(complete, lambda: note.text == "completed"))

    def test_clear_wakes(self) -> None:
        """`clear` wakes a waiter."""
        self.journal.add(Note("a"))
        self.assertTrue(self.while_waiting(self.journal.clear, lambda: not len(self.journal)))

    def test_begin_wakes(self) -> None:
        """`begin` wakes a waiter."""
        self.assertTrue(self.while_waiting(lambda: self.journal.begin("b"), lambda: self.journal.window.number))

    def test_the_predicate_may_use_the_journal(self) -> None:
        """The predicate runs without the lock: it may call everything, even wait."""

        def predicate() -> bool:
            self.journal.notify()
            self.journal.begin("again")
            self.journal.wait_for(lambda: True, HANG)
            self.journal.add(Note("mine"))
            return len(self.journal.entries()) >= 3

        self.assertTrue(self.journal.wait_for(predicate, HANG))

    def test_an_error_of_the_predicate_passes_through(self) -> None:
        """What the predicate raises is raised, and the journal goes on."""
        with self.assertRaises(ZeroDivisionError):
            self.journal.wait_for(lambda: 1 / 0, HANG)
        self.assertTrue(self.while_waiting(lambda: self.journal.add(Note("a")), lambda: len(self.journal)))

    def test_the_timeout_passes_in_frozen_time(self) -> None:
        """While the clocks stand still a timeout ends all the same, and an entry still wakes."""
        with freeze_time("2001-02-03"):
            self.assertFalse(self.journal.wait_for(lambda: False, 0.01))
            self.assertTrue(self.while_waiting(lambda: self.journal.add(Note("a")), lambda: len(self.journal)))

    def test_several_wait(self) -> None:
        """Every waiter is woken."""
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                self.assertTrue(self.journal.wait_for(lambda: len(self.journal) == 100, HANG))
            except BaseException as error:
                raised.append(error)

        waiters = [threading.Thread(target=wait) for _ in range(8)]
        for waiter in waiters:
            waiter.start()
        for number in range(100):
            self.journal.add(Note(str(number)))
        for waiter in waiters:
            waiter.join(HANG)
        self.assertEqual([], raised)

    def test_no_wake_up_is_lost(self) -> None:
        """Under load, with threads changing at every step, a waiter never sleeps through the change it waits for.

        Two threads take turns: each waits for the other's entry or change and then makes its own.  One lost wake-up
        and both wait for ever.
        """
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        rounds = 300
        turns = [Note("0"), Note("0")]
        lost: list[str] = []

        def play(me: int) -> None:
            for turn in range(1, rounds + 1):
                wanted = turn if me else turn - 1
                if not self.journal.wait_for(lambda wanted=wanted: int(turns[1 - me].text) >= wanted, HANG):
                    lost.append(f"player {me}, turn {turn}")
                    return
                turns[me].text = str(turn)
                self.journal.notify() if turn % 2 else self.journal.add(turns[me])

        busy = threading.Event()
        noise = threading.Thread(target=lambda: [None for _ in iter(busy.is_set, True)])
        players = [threading.Thread(target=play, args=(me,)) for me in (0, 1)]
        for thread in (noise, *players):
            thread.start()
        for player in players:
            player.join(6 * HANG)
        busy.set()
        noise.join(HANG)
        self.assertEqual([], lost)
        self.assertEqual([str(rounds)] * 2, [turn.text for turn in turns])

    def test_entries_of_many_threads(self) -> None:
        """Entries that eight threads add at once are all kept, with indexes in the order they stand in."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        adders = [
            threading.Thread(target=lambda name=name: [self.journal.add(Note(f"{name}{n}")) for n in range(200)])
            for name in "abcdefgh"
        ]
        for adder in adders:
            adder.start()
        for adder in adders:
            adder.join(HANG)
        entries = self.journal.entries()
        self.assertEqual(list(range(1600)), [entry.index for entry in entries])
        for name in "abcdefgh":
            self.assertEqual([f"{name}{n}" for n in range(200)], [t for t in texts(entries) if t[0] == name])
