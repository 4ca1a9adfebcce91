"""The programs of the workflow: one folder a stage, one program a rule."""
