"""Mesh-Gait: who is walking, from silhouettes alone, by way of 3D heatmaps of the body."""

__version__ = "0.1.0"
