"""Finished runs in other ways, from their stored logits: post-hoc parts, priors, predictions."""
