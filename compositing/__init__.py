"""What the camera would have seen: mattes, pairing, perturbation, rendering."""
