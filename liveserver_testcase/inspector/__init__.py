"""To look at: what servers are sent while it comes, on a page and in a terminal, and what a failed test has left."""
