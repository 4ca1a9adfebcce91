"""Tokenising the splits of the dataset for training."""
