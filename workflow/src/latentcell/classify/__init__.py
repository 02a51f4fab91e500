"""Classifiers of cell types: the study's network, a file for each other method, the choice."""
