"""Text from data on a terminal: shown as it is, and commanding nothing."""

from rich.markup import escape


def legible(value: object) -> str:
    """Write out every character that would command a terminal or turn its text around; lines stay lines."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in str(value)
    )


def quoted(value: object) -> str:
    """As :func:`legible`, and with rich's marks as text, for where others of the same line are marks."""
    return escape(legible(value))
