"""A campaign: many random runs over scenarios, versions and builds, of which each report must be one that is known.

What is known is in two places: the list of bugs in each version's file (eras/), and what a scenario promises to show on
every version. Everything else is news: a bug of the modelled kernel that nobody has written down, or one of the model.
"""
