"""The public API with real servers."""
