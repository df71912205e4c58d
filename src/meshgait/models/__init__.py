"""The network, apart from its training."""
