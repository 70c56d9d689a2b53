"""The target board as the host sees it."""
