"""Market structure: swings, breaks, order blocks, gaps, liquidity, the dealing range, STRAT and volume, all causal."""

from modules.analysis.structure.reading import Structure, StructureState, analyse
from modules.analysis.structure.records import KINDS, BarReading, StructureObject
from modules.analysis.structure.settings import Settings

__all__ = ["KINDS", "BarReading", "Settings", "Structure", "StructureObject", "StructureState", "analyse"]
