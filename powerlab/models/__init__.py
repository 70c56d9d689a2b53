"""Model files read without their runtimes: what is in them, and what an inference takes."""

from powerlab.models.files import READ, read_model
from powerlab.models.graph import ModelGraph
from powerlab.models.layers import layers_of

__all__ = ["READ", "ModelGraph", "layers_of", "read_model"]
