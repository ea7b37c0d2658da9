"""Billing: what members owe on credit that the programme gives."""
