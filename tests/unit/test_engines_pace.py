import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scripts.engines.pace import FIRST, LONGEST_ASKED, LONGEST_WAIT, Pace


def busy_again(pace, now):
    """A request starts and finds the endpoint busy; the pause that follows."""
    pace.start()
    return pace.busy(now, now)


def answer_all(pace):
    """A round: as many requests as may be at once, all answered."""
    n = int(pace.allowed) - pace.active
    for _ in range(n):
        pace.start()
    for _ in range(n):
        pace.answered()


def test_it_begins_modestly_and_doubles_every_round():
    pace, seen = Pace(100, 1.0), []
    for _ in range(5):
        seen.append(int(pace.allowed))
        answer_all(pace)
    assert seen == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 100]


def test_it_does_not_grow_while_few_places_are_used():
    pace = Pace(100, 1.0)
    for _ in range(50):
        pace.start()
        pace.answered()
    assert pace.allowed == FIRST


def test_requests_that_were_under_way_together_halve_it_once():
    pace = Pace(FIRST, 1.0)
    for _ in range(FIRST):
        pace.start()
    for now in range(10, 10 + FIRST):
        pace.busy(5, now)
    assert pace.allowed == FIRST / 2


def test_after_being_busy_it_grows_by_a_thirty_second_of_the_most_each_round():
    pace = Pace(256, 1.0)
    pace.allowed = 256.0
    busy_again(pace, 10)
    seen = []
    for _ in range(20):
        seen.append(int(pace.allowed))
        answer_all(pace)
    assert seen[0] == 128
    assert all(5 <= after - before <= 8 for before, after in itertools.pairwise(seen[:16]))
    assert seen[-1] == 256


def test_an_outage_leaves_one_request_that_tries_and_then_it_recovers_quickly():
    pace = Pace(256, 1.0, lambda: 1.0)
    pace.allowed = 256.0
    waits, now = [], 0.0
    for _ in range(12):
        waits.append(busy_again(pace, now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    assert pace.allowed == 1
    for _ in range(8):
        answer_all(pace)
    assert pace.allowed >= 128


def test_everybody_waits_as_long_as_the_endpoint_asks():
    pace = Pace(8, 1.0, lambda: 1.0)
    pace.start()
    pace.start()
    assert pace.busy(0, 10, asked=30) == 31
    assert pace.busy(0, 11, asked=5) == 30
    assert pace.wait(20) == 21
    assert pace.wait(41) == 0


def test_a_wait_beyond_reason_is_cut():
    pace = Pace(8, 1.0, lambda: 1.0)
    pace.start()
    assert pace.busy(0, 0, asked=1e9) == LONGEST_ASKED + 1


class Endpoint(RuleBasedStateMachine):
    """Anything may happen to requests, in any order."""

    def __init__(self):
        super().__init__()
        self.most, self.now, self.resume = 20, 0.0, 0.0
        self.pace = Pace(self.most, 1.0)
        self.under_way = []

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.pace.wait(self.now) == 0)
    @rule()
    def start(self):
        assert self.now >= self.resume
        self.pace.start()
        self.under_way.append(self.now)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 99), what=st.sampled_from(["answered", "failed", "slow", "busy"]), data=st.data())
    def end(self, which, what, data):
        started, before = self.under_way.pop(which % len(self.under_way)), self.pace.allowed
        if what == "busy":
            asked = data.draw(st.none() | st.floats(0, 1e6))
            wait = self.pace.busy(started, self.now, asked)
            self.resume = max(self.resume, self.now + min(asked or 0, LONGEST_ASKED))
            assert 0 <= wait <= max(LONGEST_ASKED + 1, LONGEST_WAIT)
        elif what == "slow":
            self.pace.slow(started, self.now)
        else:
            getattr(self.pace, what)()
        assert self.pace.allowed >= before if what == "answered" else self.pace.allowed <= before

    @invariant()
    def never_too_many(self):
        assert self.pace.active == len(self.under_way) <= self.most
        assert 1 <= self.pace.allowed <= self.most

    @invariant()
    def never_stuck(self):
        assert self.under_way or self.pace.wait(self.now) < math.inf


TestAnything = Endpoint.TestCase
TestAnything.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)


@given(st.integers(1, 300), st.integers(0, 10))
def test_it_reaches_the_most_again_after_any_number_of_halvings(most, halvings):
    pace = Pace(most, 1.0)
    for number in range(halvings):
        busy_again(pace, float(number))
    for _ in range(80):
        answer_all(pace)
    assert pace.allowed == most
