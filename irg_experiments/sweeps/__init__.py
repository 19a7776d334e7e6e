"""Sweeps: many runs of one command, by any of Hydra's launchers, and what became of each."""
