"""Training a language model on the tokenised splits."""
