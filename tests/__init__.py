"""The tests of liveserver_testcase."""

import os

# hypothesis loads the plugins of whatever is installed; trio's, which selenium brings, warns, and a warning is an error
os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")
