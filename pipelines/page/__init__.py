"""The parts of the report, one file a chapter: each turns outputs into what the template shows."""
