"""Keep all in one PostgreSQL database, for any number of machines."""
