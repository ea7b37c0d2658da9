"""Billing's SQL: `runs` draws up a month's bills, `bills` reads them and follows their payment.

Actions, legs and credit lines belong to rooms further down; they are read here in sets, and never written.
"""
