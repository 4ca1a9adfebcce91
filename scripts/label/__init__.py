"""Topics: keywords and examples of each cluster, its name and educational score, and whether it is kept."""
