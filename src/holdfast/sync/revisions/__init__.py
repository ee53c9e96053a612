"""The revisions of the pack `sync`."""
