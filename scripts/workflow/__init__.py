"""What the Snakefile itself imports: the resolved configuration and the layout of parts and slices."""
