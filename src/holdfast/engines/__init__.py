"""Engines: the databases that rows live in, one folder each, strangers to one another."""
