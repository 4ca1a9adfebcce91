"""What a run needs from the Hub besides its sources: models and benchmarks, fetched before any job that uses them."""
