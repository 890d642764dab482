"""The networks, and what they are worth."""

import curation  # noqa: F401  (bounds what OpenCV decodes, before anything here loads it)
