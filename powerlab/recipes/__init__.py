"""Workload models built from a fixed seed."""

from powerlab.recipes.cache import build_workload, cache_dir, main_file
from powerlab.recipes.layers import macs, parameters
from powerlab.recipes.networks import RECIPES

__all__ = ["RECIPES", "build_workload", "cache_dir", "macs", "main_file", "parameters"]
