"""Stage bundles: a run up to a stage boundary, given away and taken in (`docs/reference/format/stage-bundle.md`)."""
