"""Members' SQL: `registry`, `profiles`, `sign_ins` (sessions, attempts), `factors` (passkeys, codes),
`recoveries` of forgotten IDs and passwords, and `seals`, which are made anew when keys change.
"""
