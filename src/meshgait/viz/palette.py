"""Colours that the pictures share: dark paper, what is predicted beside what is true."""

INK, PAPER = (225, 228, 235), (22, 24, 30)
PREDICTED, TRUE = (255, 150, 60), (70, 200, 120)
MESH_COLOURS = {"predicted": (236, 176, 130), "true": (150, 205, 170)}
