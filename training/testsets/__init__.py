"""Test sets: the project's own, and folders of the user's in the layouts of the field."""
