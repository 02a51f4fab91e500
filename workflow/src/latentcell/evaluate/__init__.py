"""Measures of predictions and representations, clusters, choice of models, and statistics."""
