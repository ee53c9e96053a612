"""The targets of the benchmarks: the hand-written references, and Holdfast as it is shipped.

Each is a server process of its own, behind the protocol in `target.py`; none knows what is measured.
Imported by the benchmarks alone. Open `target.py` first, then `twin.py`, the reference that the goals are ratios of.
"""
