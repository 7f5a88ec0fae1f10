"""Floor 6: small kernels and programs that are drawn by a seed, threads that do a little of everything.

For whoever wants many runs of which nobody has written down what happens: the check that runs are the same
(selfcheck/), and tests that nothing changes unseen. To the model they are scenarios, shown with file and line.
"""
