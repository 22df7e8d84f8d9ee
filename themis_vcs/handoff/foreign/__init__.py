"""The logs of other evaluation tools: a reader for each tool, and one recorder that makes a run of what they read."""
