"""The SMTP server that captures all email, the emails, and what is asserted of them."""
