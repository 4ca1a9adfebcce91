"""The benchmarks that decontamination protects and evaluation scores on: where their rows come from, what they say."""
