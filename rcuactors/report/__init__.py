"""What a person sees of a result: plain text, or a terminal in colours.

Nothing here knows of options or files.
"""
