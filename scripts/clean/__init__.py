"""Which sealed texts are good enough to go on, and how later stages read those that are."""
