"""The revisions of the pack `jobs`."""
