"""The fault campaign: faults put to a tiny pipeline, counted, every final byte compared with an undisturbed run."""
