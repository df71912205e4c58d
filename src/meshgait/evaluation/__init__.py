"""Metrics of retrieval and of bodies."""
