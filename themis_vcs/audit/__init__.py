"""What an auditor looks at, by other means than the pipeline that wrote it."""
