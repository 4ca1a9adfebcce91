"""Sentence embeddings of the clustered sources."""
