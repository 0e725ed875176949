"""Any server in a child process: started, asked, followed and ended."""
