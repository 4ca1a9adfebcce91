"""The tiny language model that runs every stage of the tiny scale offline."""
