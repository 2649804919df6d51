"""The terminal's commands by area; `cli.py` puts them together."""
