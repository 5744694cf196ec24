"""Data: which sets exist, their long-tailed splits, and the augmented views made of them."""
