"""One HTML page about the people of a table that `mien analyze` wrote."""
