"""Pure functions from a capture to quantities with their uncertainty."""
