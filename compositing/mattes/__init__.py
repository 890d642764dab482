"""Green-screen clips: their layouts, frames, colours at the edge of alpha, and the frame store."""
