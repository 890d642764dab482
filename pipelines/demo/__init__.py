"""``cleanplate demo``: the exported network in front of a camera, in the browser of this machine."""
