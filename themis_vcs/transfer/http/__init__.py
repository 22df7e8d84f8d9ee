"""The wire over HTTP (`docs/reference/format/wire.md`): the server, and the client."""
