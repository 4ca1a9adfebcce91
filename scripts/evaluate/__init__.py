"""Scoring the trained model on benchmarks."""
