"""A scripted HTTP server that plays somebody else's API."""
