"""Generation: a slice's prompts through an engine into the part's ledger, and the ledger sealed into one table."""
