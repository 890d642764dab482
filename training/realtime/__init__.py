"""In front of a camera: the refine network's result of a frame, sooner."""
