"""Data sets: download, readers of many formats, checked counts, subsets and splits."""
