"""Keep all in one SQLite file, for one machine."""
