"""Archives: runs with all that is needed to read them without themis (`docs/reference/format/archive.md`)."""
