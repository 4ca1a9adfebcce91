"""How long a plan takes: its jobs started greedily on what may run at once.

A job starts when the jobs that make its inputs have ended and its cores and GPUs are free; of the jobs that could
start, those that the longest chain still waits for go first. The result is never less than the work divided by the
machine, nor than the longest chain; for jobs of one core each it is at most the sum of the two (Graham 1966, Bounds for
certain multiprocessing anomalies). A job that asks for more GPUs or cores than there are gets all of them and takes
longer in proportion. How long jobs wait in the queue of a cluster is not known here.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scripts.plan.jobs import UNLIMITED, Job, Offer


class Schedule(NamedTuple):
    """Seconds from the first start to the last end, and the most GPUs in use at once."""

    seconds: float
    gpus: int


def followers(jobs: Sequence[Job]) -> list[list[int]]:
    """Job → the jobs that wait for it, as places in the list."""
    made = {file: place for place, job in enumerate(jobs) for file in job.outputs}
    result: list[list[int]] = [[] for _ in jobs]
    for place, job in enumerate(jobs):
        for earlier in sorted({made[file] for file in job.inputs if file in made} - {place}):
            result[earlier].append(place)
    return result


def schedule(jobs: Sequence[Job], seconds: Sequence[float], offer: Offer) -> Schedule:
    """The greedy schedule of these jobs, which take so many seconds each."""
    limits = {"jobs": offer.jobs or UNLIMITED, "cores": offer.cores or UNLIMITED, "gpus": offer.gpus or UNLIMITED}
    needs = [{"jobs": 1, "cores": job.threads, "gpus": job.gpus} for job in jobs]
    after = followers(jobs)
    waiting = [0] * len(jobs)
    for places in after:
        for place in places:
            waiting[place] += 1
    urgency = _chains(after, seconds, waiting)
    ready = [(-urgency[place], place) for place, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    free, now, widest = dict(limits), 0.0, 0
    while ready or running:
        passed = []
        while ready and free["jobs"]:
            entry = heapq.heappop(ready)
            need = {kind: min(amount, limits[kind]) for kind, amount in needs[entry[1]].items()}
            if all(free[kind] >= amount for kind, amount in need.items()):
                free = {kind: free[kind] - need[kind] for kind in free}
                slower = max(needs[entry[1]][kind] / limits[kind] for kind in ("cores", "gpus"))
                heapq.heappush(running, (now + seconds[entry[1]] * max(1.0, slower), entry[1]))
            else:
                passed.append(entry)
            if len(passed) > len(limits) * 8:  # a handful is looked past; looking at thousands would be quadratic
                break
        widest = max(widest, limits["gpus"] - free["gpus"])
        for entry in passed:
            heapq.heappush(ready, entry)
        now, place = heapq.heappop(running)
        free = {kind: free[kind] + min(amount, limits[kind]) for kind, amount in needs[place].items()}
        for follower in after[place]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, (-urgency[follower], follower))
    return Schedule(now, widest)


def _chains(after: Sequence[Sequence[int]], seconds: Sequence[float], waiting: Sequence[int]) -> Mapping[int, float]:
    """Job → seconds of the longest chain that starts with it."""
    left, order = list(waiting), [place for place, count in enumerate(waiting) if not count]
    for place in order:
        for follower in after[place]:
            left[follower] -= 1
            if not left[follower]:
                order.append(follower)
    chains: dict[int, float] = {}
    for place in reversed(order):
        chains[place] = seconds[place] + max((chains[follower] for follower in after[place]), default=0.0)
    return chains
