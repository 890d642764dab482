"""What the model is worth and where it fails, from the metrics of ``evaluate`` and ``robustness``."""
