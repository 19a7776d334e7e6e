"""Configs: the tree of option files, the types of values, and one line for each mistake."""

from irg_experiments.config.tree import GROUPS, ConfigTree, config_directory, unknown, unknown_key

__all__ = ["GROUPS", "ConfigTree", "config_directory", "unknown", "unknown_key"]
