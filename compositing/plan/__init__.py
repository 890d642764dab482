"""Every number of every composite, drawn before one is rendered."""
