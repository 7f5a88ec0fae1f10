"""Floor 6: may a context call this? One call of C in one context, tried in its worst cases on each kernel asked for.

| file | what |
|---|---|
| call.py | a call as it stands in C, taken apart; gfp flags and numbers |
| calls/ | the calls that can be asked for: what each does on a machine, and what its worst cases hang on |
| things.py | what the arguments of a call stand for on one machine |
| places.py | contexts by the kernel's names, one in the other |
| trial.py | one call in one context in one condition, on a fresh machine |
| kernels.py | versions and builds; the same build with every check on |
| asking.py | all of that for one question |
| answer.py | yes, no, depends, or not modelled; and what is silent although it is wrong |
| unreported.py | what is wrong although no kernel reports it |
| recorded.py | what real kernels said in the same cells |
| advice.py | what to do instead |
| text.py, document.py | the answer as text, and as data |

Every answer comes from runs. That nothing was reported is no answer where a check was off: then the same kernel with
every check on decides.
"""

from ..marks import MACHINERY

__trace__ = MACHINERY
