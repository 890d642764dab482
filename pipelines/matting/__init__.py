"""``cleanplate matte``: clips and pictures in, mattes out."""
