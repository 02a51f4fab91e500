"""From downloads and files of many formats to checked counts, subsets and splits."""
