"""powerlab: energy and cost-efficiency measurement, every figure with its uncertainty."""

__version__ = "0.1.0"
