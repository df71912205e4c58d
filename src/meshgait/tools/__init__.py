"""Verbs of the command line besides training."""
