"""Figures: the catalogue, drawing functions, maps of cells and one style."""
