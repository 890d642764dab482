"""The shell around the library: stages, the command, the pages people look at."""

import os

import curation as _bounds  # noqa: F401  (bounds what OpenCV decodes, before anything here loads it)

# Set before any dependency is imported: nothing phones home (see ARCHITECTURE, promise 6).
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
