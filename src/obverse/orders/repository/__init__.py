"""Orders and their pieces in the database."""
