"""A scripted HTTP server that plays somebody else's API.

What a test has in its hands: `server` (HTTPStub), `script` (its verbs, and views of it), `expectation` (what
is answered, by its verbs), `reply`, `hold`, `faults`, `request`, and the values that stand for many in `values`.

The way of a request, in the order in which to read: `connection` serves one client, `engine` records the request and
asks `registry`, which decides by `matching` and the matchers; one of `responders` makes a reply, and `sending` sends
it.  `inspection` holds against the test what found no answer, and `report` says why.
"""
