"""What happens between a scene and a stored picture, step by step in the order of light."""
