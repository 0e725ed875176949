"""Tests of ``liveserver_testcase.process``, which refuses to work on systems that are not of the POSIX kind."""

import os
import unittest

if os.name != "posix":
    raise unittest.SkipTest("a server in a process of its own needs a POSIX system")
