"""What every server must keep, held against each of them: `server_contract` has the tests, a mixin."""
