"""Disputes: a member contests a charge, the merchant answers, the operator decides."""
