"""What a matting method is worth: test sets, methods, measures, and what they add up to."""
