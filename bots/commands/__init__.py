"""The table of commands, one module per area."""

from bots.chat import ChatTable
from bots.commands import account, administration, analysis, backtests, everyone, operators, strategies, trading

TABLE = ChatTable(
    (
        *everyone.COMMANDS,
        *trading.COMMANDS,
        *analysis.COMMANDS,
        *strategies.COMMANDS,
        *backtests.COMMANDS,
        *account.COMMANDS,
        *operators.COMMANDS,
        *administration.COMMANDS,
    )
)
