"""Galleries of enrolled people: enrol, identify or say unknown, and erase."""
