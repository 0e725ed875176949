"""The mail server: it keeps what it is sent, and tells what matches."""
