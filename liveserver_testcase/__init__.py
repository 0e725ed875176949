"""Real servers for unittest."""
