"""Near-duplicates among the kept texts: datatrove's MinHash, then the true similarity of what it found."""
