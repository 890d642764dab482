"""The networks, and what they are worth."""

import curation as _bounds  # noqa: F401  (bounds what OpenCV decodes, before anything here loads it)
