"""Representations, a file each, found by name (`latentcell.methods`)."""
