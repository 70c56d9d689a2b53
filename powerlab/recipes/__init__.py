"""Workload models built from a fixed seed."""
