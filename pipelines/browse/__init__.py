"""Tables to FiftyOne: the only place that imports fiftyone."""
