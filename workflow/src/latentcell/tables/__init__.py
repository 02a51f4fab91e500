"""Tables: the catalogue, a function for each table, and one renderer."""
