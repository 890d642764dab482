"""Which backgrounds may be used: reading, looking for people, judging."""

import os

# OpenCV asks once, when it is loaded: a small file may claim a picture of any size. As curation.images has it.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "170000000")
