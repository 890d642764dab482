"""Groups of the ``cleanplate`` command, one file a subject."""
