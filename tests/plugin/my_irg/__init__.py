"""A user's own additions to irg-experiments, one per file, named by the option files in ``my_configs``."""
