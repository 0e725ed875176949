"""Tests of ``liveserver_testcase.core``."""
