"""What a run says of itself: curves, pace, pictures, memory, validation, and the step that went wrong."""
