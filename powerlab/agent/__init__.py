"""What runs on the target board: standard library only, Python 3.6 syntax."""
