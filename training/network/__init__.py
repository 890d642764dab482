"""Background Matting V2's two networks."""
