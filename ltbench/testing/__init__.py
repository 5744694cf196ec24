"""What every method must hold to."""
