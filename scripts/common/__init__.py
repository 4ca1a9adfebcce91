"""What every stage shares: ids, tables, counts, atomic writes, logging. Needs pyarrow and the standard library only."""
