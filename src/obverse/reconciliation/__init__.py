"""Reconciliation: our payments, our ledger and the partners' files have to tell the same."""
