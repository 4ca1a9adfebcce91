"""What the tests of this folder share; see __init__.py for what they prove."""

import os
import random
from collections import Counter, defaultdict

import pytest

from tests.chaos.programs import IN_FLIGHT, Part, check_sealed, openai_flags
from tests.chaos.server import Endpoint

SEED = os.environ.setdefault("CHAOS_SEED", str(random.SystemRandom().randrange(10**9)))
KILLS: Counter[str] = Counter()
LOST: dict[str, list[int]] = defaultdict(list)


def pytest_sessionfinish(session):
    """Hands what one of several test processes counted to the first, which prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["kills"] = dict(KILLS)
        session.config.workeroutput["lost"] = dict(LOST)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Takes it."""
    counted = getattr(node, "workeroutput", {})
    KILLS.update(counted.get("kills", {}))
    for kind, numbers in counted.get("lost", {}).items():
        LOST[kind] += numbers


def pytest_terminal_summary(terminalreporter):
    """How many kills there were, what each cost, and how to repeat them."""
    if not KILLS:
        return
    terminalreporter.section("chaos")
    for kind, number in sorted(KILLS.items()):
        lost = LOST[kind]
        cost = f"; answers lost a kill: {sum(lost) / len(lost):.2f} on average, {max(lost)} at most" if lost else ""
        terminalreporter.write_line(f"{number:4} {kind}{cost}")
    terminalreporter.write_line(f"{KILLS.total()} kills; CHAOS_SEED={SEED}")


@pytest.fixture
def chance(request):
    """Random numbers of one test; the seed is shown when it fails."""
    print(f"repeat with CHAOS_SEED={SEED} pytest {request.node.nodeid}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def endpoint():
    """A well-behaved endpoint."""
    served = Endpoint()
    yield served
    served.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Number of prompts → the sealed bytes of a run that nothing disturbed."""
    known = {}

    def run(count, behave=None):
        if (count, behave) not in known:
            served = Endpoint()
            served.behave = behave or served.behave
            part = Part(tmp_path_factory.mktemp("undisturbed"), count, openai_flags(served))
            part.run()
            assert part.seal().wait() == 0
            assert set(part.texts().values()) == {1}
            served.close()
            known[count, behave] = part.sealed.read_bytes()
        return known[count, behave]

    return run


@pytest.fixture
def part(tmp_path, endpoint):
    """A part of 60 prompts and the cheap engine."""
    return Part(tmp_path / "part", 60, openai_flags(endpoint))


@pytest.fixture
def finish(undisturbed):
    """Runs a part to its end, seals it and checks the sealed table."""

    def run(part, n_slices=1, behave=None):
        for number in range(n_slices):
            part.run(number, n_slices)
        sealing = part.seal()
        assert sealing.wait() == 0, sealing.said
        check_sealed(part, undisturbed(part.count, behave))

    return run


class Account:
    """What a killed job cost: how many prompts it asked for, and how many of their texts are in the ledger."""

    def __init__(self, part, endpoint, kind):
        self.part, self.endpoint, self.kind = part, endpoint, kind
        self.open()

    def open(self):
        self.before = self.endpoint.quiet().asked.total()
        self.rows = self.part.texts()

    def close(self):
        """Closes the account of a kill and opens the next one; returns the rows that the ledger gained."""
        asked = self.endpoint.quiet().asked.total() - self.before
        rows = self.part.texts()
        assert not self.rows - rows, "the ledger lost texts"
        gained = (rows - self.rows).total()
        lost = asked - gained
        KILLS[self.kind] += 1
        LOST[self.kind].append(lost)
        assert 0 <= lost <= IN_FLIGHT, f"asked {asked}, kept {gained}"
        self.open()
        return gained


@pytest.fixture
def account():
    return Account
