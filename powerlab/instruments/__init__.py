"""Drivers: a pure codec and a thin session for each meter family."""
