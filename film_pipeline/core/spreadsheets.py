"""Text that goes into tables for spreadsheets, which take some of it for formulas and would do what it says."""

import re

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_BEGINS_FORMULA = re.compile(r"[\s\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]")
_BEGINS_CELL = ("\t", "\r", "\n")


def harmless(text: str) -> str:
    """The text as a spreadsheet shows it and does not run it; numbers stay numbers.

    Some programs skip blanks before they look for a formula, and some take wide signs for plain ones.
    """
    if _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text.startswith(_BEGINS_CELL) or _BEGINS_FORMULA.match(text) else text
