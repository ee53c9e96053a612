"""Holdfast: the production data layer for Python applications.

The front door. Whatever an application or a pack needs is a name of this module; everything below is private to Holdfast.
"""

from holdfast.errors import HoldfastError, InvalidInput

__all__ = ["HoldfastError", "InvalidInput"]
