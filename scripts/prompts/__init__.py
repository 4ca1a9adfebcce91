"""Prompts: seed × template (format × audience), and the manifest of what was asked for."""
