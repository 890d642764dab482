"""The networks, and what they are worth."""
