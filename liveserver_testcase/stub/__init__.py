"""A scripted HTTP server that plays somebody else's API.

What a test has in its hands: `server` (HTTPStub), `script` (its verbs, and views of it), `expectation` (what
is answered, by its verbs), `reply`, `hold`, `faults`, `request`, and the values that stand for many in `values`.

The way of a request, in the order in which to read: `connection` serves one client, `engine` records the request and
asks `registry`, which decides by `matching` and the matchers; one of `responders` makes a reply, and `sending` sends
it.  `inspection` holds against the test what found no answer, and `report` says why.

What few scripts need, and is loaded by who does: `websocket` (what a test has of one; `websocket_script` plays,
`websocket_channel` exchanges frames), `openapi` and `har` (documents and traffic as scripts), `hosts` (the stub as a
proxy), `remote` (a stub in a process of its own, which has `remote_worker`).
"""
