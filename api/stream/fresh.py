"""Answers that may be a moment old: those of public paths that many ask, given again without asking the application."""

from __future__ import annotations

from api.stream.wsgi import Request


class FreshAnswers:
    """The newest whole answer of each path of `paths`, good for `seconds`. For the event loop alone."""

    def __init__(self, paths: frozenset[bytes], seconds: float) -> None:
        self._paths = paths
        self._seconds = seconds
        self._kept: dict[bytes, tuple[float, bytes]] = {}

    def find(self, request: Request, now: float) -> bytes | None:
        """The answer to this request, if one of a moment ago serves."""
        if request.path not in self._paths or not request.keep or not _is_everybodys(request):
            return None
        until, answer = self._kept.get(request.path, (0.0, b""))
        return answer if now < until else None

    def keep(self, request: Request, answer: bytes, now: float) -> None:
        """Remembers the answer, where it is one that others may be given too and none is held already."""
        if request.path not in self._paths or not _is_everybodys(request):
            return
        if self._kept.get(request.path, (0.0, b""))[0] <= now:
            self._kept[request.path] = (now + self._seconds, answer)


def _is_everybodys(request: Request) -> bool:
    """Whether others are answered the same: what a page of another origin hears depends on the origin."""
    if request.method != "GET" or request.query or request.version != "1.1":
        return False
    return all(name.lower() != b"origin" for name, _ in request.headers)
