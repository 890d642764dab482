"""What a real camera did between a plate and a source, measured."""
