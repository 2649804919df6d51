"""The live stream: topics, who may hear them, and one process that tells a thousand listeners at once.

`Stream` is what the rest of the API sees; `docs/stream.md` is the protocol for programs.
"""

from api.stream.hub import Hub
from api.stream.session import Authenticate
from api.stream.stream import Stream
from api.stream.tickets import Tickets

__all__ = ["Authenticate", "Hub", "Stream", "Tickets"]
