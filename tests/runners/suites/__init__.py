"""Suites that are run by four runners, and what each of their tests must come to."""
