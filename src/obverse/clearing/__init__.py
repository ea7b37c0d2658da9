"""Clearing: claims come in from merchants, presentments go out to card companies.

Two rooms under one roof, each with the files every room has: `claims/` matches what merchants claim to what
was approved and has it paid once (OT-16); `presentments/` claims from card companies what was paid (OT-17).
"""
