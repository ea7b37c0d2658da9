"""Luhn check digits (ISO/IEC 7812-1) for the partners' own cards."""


def check_digit(digits: str) -> str:
    """The digit that makes `digits` with it a valid number.

    >>> check_digit("7992739871")
    '3'
    """
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)
