"""Calls the components of a stored run for an auditor, by code that the pipeline does not use."""
