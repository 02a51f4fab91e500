"""Classifiers, one file each, found by name (`latentcell.config.methods`)."""
