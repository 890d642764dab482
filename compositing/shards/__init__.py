"""Composites on the disk: written, read, verified, or rendered live in their place."""
