"""What the networks learnt from: sources, licences, composites, and how near they come to captured pairs."""
