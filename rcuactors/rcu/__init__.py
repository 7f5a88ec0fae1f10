"""Floor 3, one half.

The grace-period machine, callbacks, read-side sections, and the lifetime oracle that trusts none of them.
"""
