"""Records in other hands: a tidy table, bundles for other laboratories, and the way back."""
