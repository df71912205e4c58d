"""Sweeps over settings in W&B's schema: run here by Optuna, or handed to W&B."""
