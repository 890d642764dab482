"""In front of a camera or a clip: is the plate right, what becomes of the matte, and what stands behind it."""
