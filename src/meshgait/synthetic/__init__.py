"""Synthetic walkers with exact 3D truth."""
