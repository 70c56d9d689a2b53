"""Profiles and benches: data files, their models, and the layers of labs."""
