"""A miniature of both datasets, in their official layouts, made without a download."""
