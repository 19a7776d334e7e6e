"""The experiments, a room each, and what they share: the protocol and the runner."""
