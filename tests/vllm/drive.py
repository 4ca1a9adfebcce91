"""One vLLM engine in this process, driven through all that a test wants to know; prints it as one line of JSON."""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

from scripts import engines
from scripts.engines import EngineSettings, Request, Sampling, orphans

IN_FLIGHT = 4
SUBJECTS = ("tides", "bread", "ice", "bees")
QUESTION = "Name the topic of this text as JSON: bread."


def answers(engine, requests, in_flight=IN_FLIGHT):
    """Request id → answer."""
    return {answer.request_id: dataclasses.asdict(answer) for answer in engines.complete(engine, requests, in_flight)}


def steps(engine, requests):
    """Steps of the engine until the last request is handed over, when each follows as soon as another one ends."""
    number = 0
    for request in requests:
        while engine.in_flight == IN_FLIGHT:
            engine.step()
            number += 1
        engine.submit(request)
    while engine.in_flight:
        engine.step()
    return number


def child(parent, name):
    """The process of this name that another one has started."""
    for pid in orphans.processes():
        found = orphans.stat(pid)
        if found and found[0] == parent and name in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    raise LookupError(name)


def main(settings, schema, too_long):
    """Asks the engine everything; at last its worker, the process that holds the model, is killed."""
    prompts = [f"Write {number} sentences about {subject}." for number in range(1, 7) for subject in SUBJECTS]
    requests = [Request(str(seed), prompt, seed) for seed, prompt in enumerate(prompts)]
    sentences = Sampling(0.6, 0.95, 50, 1.2, 100, (". ",))  # of different lengths
    engine = engines.create(EngineSettings(**settings, max_in_flight=IN_FLIGHT), sentences)
    seen = {
        "objects": answers(engine, [Request(str(seed), QUESTION, seed, schema) for seed in range(4)]),
        "refused": answers(engine, [Request("long", too_long, 0)]),
        "forwards": answers(engine, requests),
        "backwards": answers(engine, requests[::-1], 3),
        "steps": steps(engine, requests),
    }
    os.kill(child(child(os.getpid(), "EngineCore"), "VLLM::Worker"), signal.SIGKILL)
    try:
        answers(engine, requests)
    except engines.EngineDied as error:
        seen["died"] = str(error)
    engine.close()
    print("SEEN" + json.dumps(seen))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
