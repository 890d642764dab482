"""Loops over pixels that the chain spends its time in, compiled."""
