"""Training and evaluation: the only loop, the recipe it follows, and its checkpoints."""
