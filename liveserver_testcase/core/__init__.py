"""A server as such: its life, its threads, its record and its certificates.  Knows no protocol."""

import logging

# Without this, logging writes what is serious to stderr; whoever wants to read it sets logging up.
logging.getLogger("liveserver_testcase").addHandler(logging.NullHandler())
