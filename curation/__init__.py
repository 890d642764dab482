"""Which backgrounds may be used: reading, looking for people, judging."""
