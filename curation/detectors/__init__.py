"""Person detectors, one file a family, behind one small protocol."""
