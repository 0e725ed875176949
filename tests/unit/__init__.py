"""Internals that decide something: parsing, matching, framing, texts."""
