"""The table of commands, one module per area."""

from bots.chat import ChatTable
from bots.commands import account, everyone, operators, trading

TABLE = ChatTable((*everyone.COMMANDS, *trading.COMMANDS, *account.COMMANDS, *operators.COMMANDS))
