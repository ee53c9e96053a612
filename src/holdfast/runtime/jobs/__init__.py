"""Jobs: what is done in the background, by whoever holds the job's lease, and what became of it.

A lease is a row of the realm that is taken, kept and given back by compare-and-set, so it works on every engine. Nothing
compares the clocks of two machines: a worker takes over from one whose heartbeat has not moved for so long on its own
watch, and one that could not renew in a shorter time stops by itself.

Not here: how a job is declared (`model`), the command line (`cli`). Only `runtime`, `cli` and the front door import it.
Open `worker.py` first, then `lease.py`; `rules.py` decides, `own.py` has the platform's jobs.
"""
