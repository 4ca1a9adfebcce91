"""The finished dataset: its splits, with the published columns, and its card."""
