"""Representations of cells: principal components, and a file for each other method."""
