"""Numerics on arrays of paired differences: intervals, tests, effect sizes, power, agreement.

It sees numbers alone, neither a store nor a case. Of scipy only `scipy.special` is imported, which loads in a third of
the time of `scipy.stats`.
"""
