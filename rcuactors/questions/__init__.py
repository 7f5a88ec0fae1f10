"""Floor 6: questions that a module put to real kernels, put to the model in the same words, and the answers compared.

A question is a verb and key=value words, such as `a1 v=irq order=first` (words.py). What each verb does is written
over the kernel's API, function by function as the module has it (verbs/). What a real kernel answered is its console's
text (recording.py); the model's answer is put into the same form and both are read by the same parser
(report/console.py), so that a comparison compares like with like (comparison.py).
"""
