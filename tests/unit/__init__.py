"""Parts that decide something by themselves."""
