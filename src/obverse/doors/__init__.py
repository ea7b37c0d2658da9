"""Who calls us: REST and ISO 8583. Doors translate, and decide nothing."""
