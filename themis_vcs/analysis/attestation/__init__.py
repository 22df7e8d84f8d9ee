"""Attestations of runs: in-toto statements, made from a store and checked against one."""
