"""What the camera would have seen: mattes, pairing, perturbation, rendering."""

import curation as _bounds  # noqa: F401  (bounds what OpenCV decodes, before anything here loads it)
