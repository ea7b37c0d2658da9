"""Settlement: merchants are paid what they are owed, day by day."""
