"""Clusters of the web pages: a sample is clustered, all other pages follow their nearest neighbour in it."""
