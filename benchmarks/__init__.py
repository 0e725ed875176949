"""Benchmarks: this library and the tools that people use instead, side by side in one run."""
