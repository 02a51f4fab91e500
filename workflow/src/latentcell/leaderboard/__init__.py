"""Representations times classifiers: jobs, measures, and what they cost, in one table."""
