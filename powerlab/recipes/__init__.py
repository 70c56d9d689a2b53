"""Workload models built from a fixed seed."""

from powerlab.recipes.cache import build_workload, cache_dir
from powerlab.recipes.layers import macs, parameters
from powerlab.recipes.networks import RECIPES

__all__ = ["RECIPES", "build_workload", "cache_dir", "macs", "parameters"]
