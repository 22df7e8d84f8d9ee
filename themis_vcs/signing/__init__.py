"""Who vouches for what: keys, envelopes, the trust file, and signatures of refs.

What travels where is not decided here.
"""
