"""The report: figures (SVG) and pages (self-contained HTML), ours beside the published figures."""
