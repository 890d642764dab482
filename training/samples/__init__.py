"""Batches: from shards or the plan, with other sources mixed in, in an order fixed by seed and step."""
