"""Answers that must follow a JSON Schema: which tokens may come next (llguidance, as in vLLM)."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

FORM = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""One line with a space after commas and colons, the form that `json.dumps` writes and that models have read most."""


class Grammars:
    """Makes matchers for one tokenizer; its own view of the vocabulary is built on first use (about a second)."""

    def __init__(self, tokenizer: Any, vocabulary: int, end_tokens: set[int]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._end_tokens = sorted(end_tokens)
        self._view: Any = None

    def matcher(self, schema: Mapping[str, Any]) -> "Matcher":
        """A fresh matcher of a schema.

        Raises:
            ValueError: llguidance cannot follow the schema.
        """
        from llguidance import LLMatcher
        from llguidance.hf import from_tokenizer

        if self._view is None:
            self._view = from_tokenizer(self._tokenizer, n_vocab=self._vocabulary, eos_token=self._end_tokens)
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=FORM)
        matcher = LLMatcher(self._view, grammar)
        if matcher.is_error():
            raise ValueError(f"the JSON Schema cannot be followed: {matcher.get_error()}")
        return Matcher(matcher, self._vocabulary)


class Matcher:
    """The state of one answer in its grammar."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary

    def allowed(self) -> np.ndarray:
        """Bool, shape (vocabulary,): the tokens that may come next."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self._vocabulary].astype(bool)

    def consume(self, token: int) -> bool:
        """Takes the chosen token and tells whether the answer is complete."""
        if not self._matcher.consume_token(token):
            raise ValueError(f"the grammar refused a token: {self._matcher.get_error()}")
        return self._matcher.is_stopped()
