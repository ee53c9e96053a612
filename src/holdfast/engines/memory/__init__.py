"""The reference engine: everything in one process's memory, nothing durable.

It keeps every promise of the port in the plainest way, so that other engines can be compared with it step by step; in
`dynamodb` mode it also keeps DynamoDB's limits. Not here: anything clever. Open `engine.py`.
"""

from holdfast.engines.memory.engine import MemoryEngine

__all__ = ["MemoryEngine"]
