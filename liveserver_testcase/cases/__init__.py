"""What users inherit: test classes that run servers.

What a test class derives from: `live` (LiveServerTestCase), `stub` (HTTPStubTestCase), `smtp` (SMTPTestCase), with the
assertions of each in `live_assertions`, `stub_assertions` and `smtp_assertions`; `live_handle` is what
``self.live_server`` is, and `django_databases` helps beside Django.

The life of a class and of a test, in the order in which to read: `base` (ServerTestCase) is called by the runner, and
has a `class_server.ClassRun` start, ask and stop the servers; each is driven by an adapter, such as `live_adapter`.
`result` stands between a test and its runner until its servers have been asked, `failure_text` raises what they say,
and `waiting` runs every assertion that waits, in a thread or on an event loop.  `settings` reads attributes and
variables, and `mistakes` refuses what would do nothing.  Of a live server, `live_address` is where it is for those who
cannot ask it (it is being made, somebody else's, or in another process), `live_shared` keeps those of several classes,
and `live_debug` has what it has logged.  `after_failure` waits for somebody who wants to look at the servers, or leaves
a folder.
"""
