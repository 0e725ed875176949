"""Let tools that still call ``setup.py`` find the project; its metadata is in ``pyproject.toml``."""

from setuptools import setup

setup()
