"""What every room stands on: money, ids, clock, secrets, errors, paging, database, events, jobs, settings.

Nothing here knows a business word. If something in the kit starts to, it belongs in a room.
"""
