"""Results in and out: stage bundles, and the logs of other tools."""
