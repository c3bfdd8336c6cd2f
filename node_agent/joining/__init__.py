"""How a machine becomes a node: what it must have, letting itself in, and the service that runs from then on.

``start.py`` is what the pasted line runs: it fetches this package with everything else and goes on in ``admission.py``.
"""
