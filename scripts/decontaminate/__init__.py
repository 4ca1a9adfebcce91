"""Documents that repeat rows of the benchmarks: candidates by shared n-grams, verdicts by matched text."""
