"""The SMTP server that captures all email, the emails, and what is asserted of them.

Public names are in `server` (SMTPServer), `scripting` (its verbs, which put `faults` in place), `session` (what is
recorded of connections), `outbox`, `message` (ReceivedEmail) and `config` (the settings).

The way of an email, in the order in which to read: `engine` accepts a connection, `protocol` serves it by aiosmtpd,
command by command, with `syntax` and `data`, which are pure; at each command `fault_injection` carries out the script.
When a test takes the email, `headers`, `mime`, `decoding` and `content` read it.  `criteria` compare it, and `report`
explains why none was as wanted.
"""
