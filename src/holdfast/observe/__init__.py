"""Watching a deployment: health now; metrics, alerts and advice as they come.

It looks and reports. Not here: what is looked at (engines, store), how a report travels (api, cli). `runtime` puts it
together. Open `health.py`.
"""
