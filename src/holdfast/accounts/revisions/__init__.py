"""Revision files: plain data, read by path. Open the newest `.sql` to see what it does."""
