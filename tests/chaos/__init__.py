"""Chaos: the programs of generation as processes, on a real ledger, with engines and machines that misbehave.

`python -m scripts.generate.slice`, `seal` and `compact` are killed (kill -9 just before every single change they make
in the ledger, at random moments, while a file is written, with a loaded model), told to end, stopped and continued,
run beside each other, given full disks, missing permissions, jumping clocks, damaged files and endpoints that die, hang
or answer garbage. Each test then runs the part to its end, seals it and proves that

* every prompt is in the sealed table exactly once, in the order of the prompts,
* the sealed file has the same bytes as that of a run which nothing disturbed,
* no text that was written was lost, and none was made again: the endpoint (server.py) counts what it is asked, so the
  cost of a kill is known, and it is never more than what was in flight.

Two engines: `openai` against a local endpoint whose texts are a function of prompt and seed, and `transformers` with
the tiny model. inside/sitecustomize.py runs in every program and makes it die at the place that a test names.

The summary lists all kills and their cost. Moments come from CHAOS_SEED, which the summary and every failure show:
`CHAOS_SEED=123 python -m pytest tests/chaos/test_kills.py` draws the same ones again.
"""
