"""Clearing: claims that merchants make, and claims that we make at card companies."""
