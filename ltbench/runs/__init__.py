"""Runs: which cells to train, how, and the records they leave."""
