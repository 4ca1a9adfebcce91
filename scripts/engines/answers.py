"""Answers that should be one JSON object: endpoints do not all enforce a schema, and small models are cut off."""

import contextlib
import json
import re
from typing import Any


def first_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text, which may stand inside others, as in a Markdown fence; None without any."""
    for brace in re.finditer("{", text):
        with contextlib.suppress(ValueError, RecursionError):
            return json.JSONDecoder().raw_decode(text, brace.start())[0]
    return None
