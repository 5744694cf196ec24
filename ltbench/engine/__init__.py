"""Training and evaluation: the only loop, its precision and its checkpoints."""
