"""Seeds: what the prompts start from, read from the shipped sample or from the original datasets."""
