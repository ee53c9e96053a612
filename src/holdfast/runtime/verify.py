"""`holdfast verify`: a list of named checks, each with what was seen."""
from __future__ import annotations
from dataclasses import dataclass
@dataclass(frozen=True, slots=True)
class Result:
    name: str
    outcome: str
    evidence: str
    seconds: float
