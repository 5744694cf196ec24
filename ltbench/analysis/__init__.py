"""Mathematics of features, weights and landscapes that methods and reports share."""
