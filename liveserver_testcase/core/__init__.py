"""A server as such: its life, its socket, its threads, its journal.  Knows no protocol."""
