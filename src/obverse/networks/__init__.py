"""Whom we call, and the wire formats shared with the doors that are called.

`iso8583` is the message format of terminals, acquirers and card companies; `card_company` is the client
that asks the issuers of linked cards.
"""
