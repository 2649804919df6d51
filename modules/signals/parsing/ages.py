"""How long ago a message says that something was: "3 Days 2 Hours Ago", in the words of several languages."""

from __future__ import annotations

import re

_AGE = re.compile(
    r"(?:(\d{1,4})\s*(?:days?|d|дн\w{0,2}|день|gun|dias?|hari|tage?|jours?|روز|天)\b[,\s]{0,3})?(?:(\d{1,4})\s*(?:hours?|hrs?|h|час\w{0,2}|ч|saat|horas?|jam|stunden?|heures?|ساعت|小时)\b[,\s]{0,3})?"
    r"(?:(\d{1,5})\s*(?:minutes?|mins?|m|мин\w{0,3}|dakika|dk|minutos?|menit|minuten|دقیقه|分钟)\b[,\s]{0,3})?(?:(\d{1,5})\s*(?:seconds?|secs?|s|сек\w{0,3})\b\s{0,3})?(?:ago|назад|once|önce|atras|atrás|lalu|پیش|前)\b",
    re.IGNORECASE,
)


def age_of(text: str) -> int | None:
    """Seconds of an age such as "3 Days 2 Hours Ago" in lower-case normalised text; None where none is stated."""
    if not any(word in text for word in ("ago", "назад", "once", "atras", "lalu", "پیش", "前")):
        return None
    for match in _AGE.finditer(text):
        if any(match.groups()):
            days, hours, minutes, seconds = (int(g or 0) for g in match.groups())
            return days * 86_400 + hours * 3_600 + minutes * 60 + seconds
    return None
