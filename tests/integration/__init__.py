"""Tests of several parts together, through the public API."""
