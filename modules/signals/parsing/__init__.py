"""The grammar of trading messages: text in, an entry, an update or neither out.

Pure: no clock, network or store, and no error for any text. It never decides whether a signal may be traded; `validate` names
what makes an entry implausible, and risk rules elsewhere decide the rest.
"""

from modules.signals.parsing.parser import parse
from modules.signals.parsing.validate import Invalid, validate

__all__ = ["Invalid", "parse", "validate"]
