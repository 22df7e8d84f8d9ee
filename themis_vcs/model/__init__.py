"""Ids, canonical encoding, object kinds, trees, derivation keys and names: plain values in, plain values out.

Nothing here touches a file, a clock, the environment or a source of randomness, and nothing here knows what a
score or a prompt is. The formats are specified in `docs/reference/format/`.
"""
