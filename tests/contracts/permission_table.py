"""Who may what, written out by hand: every route and every chat command. The code's own table is held against this one."""

from __future__ import annotations

from modules.domain.people import Role

EVERYBODY = frozenset(Role)
ACTIVE = EVERYBODY - {Role.READ_ONLY}
POSTERS = frozenset({Role.OWNER, Role.ADMIN, Role.OPERATOR, Role.ANALYST})
STAFF = frozenset({Role.OWNER, Role.ADMIN, Role.OPERATOR})
CHIEFS = frozenset({Role.OWNER, Role.ADMIN})

#: Routes that need no sign-in. What they give is the same for everybody, or is bound to a secret in the request.
PUBLIC = """
GET    /
GET    /assets/<path:name>
GET    /assets/shell.json
GET    /manifest.webmanifest
GET    /sw.js
GET    /api/
GET    /health
GET    /api/status
GET    /api/test
GET    /api/docs
GET    /api/docs/start.js
GET    /api/health
GET    /api/oauth2-redirect.html
GET    /api/openapi.json
GET    /api/swagger
GET    /api/swagger/<path:filename>
POST   /api/auth/forgot-password
POST   /api/auth/login
POST   /api/auth/logout
POST   /api/auth/refresh
POST   /api/auth/register
POST   /api/auth/resend-verification
POST   /api/auth/reset-password/<token>
POST   /api/auth/telegram
POST   /api/auth/verify-email
GET    /api/auth/verify-email/<token>
POST   /api/auth/verify-email/<token>
POST   /api/webhook/<address>
"""

#: Routes that a library brings and nobody may use.
CLOSED = """
GET    /api/static/<path:filename>
GET    /static/<path:filename>
"""

ROUTES = {
    EVERYBODY: """
GET    /api/backtest/<backtest_id>
GET    /api/backtest/<backtest_id>/chart.png
GET    /api/backtest/<backtest_id>/report
GET    /api/backtest/<backtest_id>/trades.csv
GET    /api/backtest/history
GET    /api/backtest/jobs
GET    /api/backtest/jobs/<job_id>
POST   /api/2fa/backup-codes
POST   /api/2fa/disable
POST   /api/2fa/enroll
GET    /api/2fa/status
POST   /api/2fa/verify
GET    /api/analytics/advanced-smc/<symbol>
GET    /api/analytics/chart/<symbol>
GET    /api/analytics/opinions/<symbol>
GET    /api/analytics/patterns/<symbol>
GET    /api/analytics/predict/<symbol>
GET    /api/analytics/sentiment/<symbol>
GET    /api/analytics/top5
POST   /api/analytics/win-probability
GET    /api/audit/user/<user_id>
GET    /api/auth/check-verification
POST   /api/auth/email
POST   /api/auth/logout-all
GET    /api/auth/me
POST   /api/auth/password
GET    /api/auto-trade/status
GET    /api/analytics/performance
GET    /api/analytics/risk
GET    /api/latest
GET    /api/trades
GET    /api/users/<user_id>/stats
GET    /api/balance
GET    /api/database/risk-limits
GET    /api/database/signals
GET    /api/database/trades
GET    /api/database/trading-sessions
GET    /api/candles/<symbol>
GET    /api/chat
POST   /api/chat
GET    /api/chat/pictures/<room>/<int:number>
GET    /api/config/weights
GET    /api/equity
GET    /api/indicators
GET    /api/notifications/devices
GET    /api/notifications/push-key
POST   /api/notifications/register
GET    /api/notifications/settings
PUT    /api/notifications/settings
POST   /api/notifications/test
POST   /api/notifications/unregister
GET    /api/orders
GET    /api/orders/<order_id>
GET    /api/orders/advanced
GET    /api/pnl
GET    /api/plans
GET    /api/plans/<plan_id>
GET    /api/positions
GET    /api/positions/<position_id>
GET    /api/positions/limits
GET    /api/safety/circuit-breaker
GET    /api/safety/status
POST   /api/scanner/run
GET    /api/sessions
DELETE /api/sessions/<session_id>
GET    /api/signals
GET    /api/signals/<signal_id>
POST   /api/signals/score
GET    /api/sources
GET    /api/sources/<path:name>
GET    /api/strategies
GET    /api/strategies/<strategy_id>
POST   /api/strategies/<strategy_id>/evaluate
GET    /api/strategies/<strategy_id>/chart
GET    /api/strategies/<strategy_id>/versions
GET    /api/strategies/builtin
POST   /api/strategies/check
GET    /api/strategies/language
DELETE /api/telegram/link
POST   /api/telegram/link
POST   /api/support/message
POST   /api/test/email
GET    /api/ticker/<symbol>
GET    /api/trade-settings
DELETE /api/users/<user_id>
GET    /api/users/<user_id>
PUT    /api/users/<user_id>
GET    /api/users/<user_id>/dca
GET    /api/users/<user_id>/general
PUT    /api/users/<user_id>/general
GET    /api/users/<user_id>/preferences
PUT    /api/users/<user_id>/preferences
GET    /api/users/<user_id>/risk
GET    /api/users/<user_id>/strategy
DELETE /api/users/me
GET    /api/users/me
PATCH  /api/users/me
GET    /api/users/me/export
""",
    ACTIVE: """
POST   /api/backtest
DELETE /api/backtest/<backtest_id>
POST   /api/backtest/compare
POST   /api/backtest/jobs/<job_id>/cancel
POST   /api/backtest/monte-carlo
POST   /api/backtest/run
POST   /api/backtest/search
POST   /api/backtest/walk-forward
POST   /api/auto-trade/kill
POST   /api/auto-trade/pause
POST   /api/auto-trade/resume
POST   /api/auto-trade/start
POST   /api/auto-trade/stop
POST   /api/database/create-session
GET    /api/exchanges
POST   /api/exchanges
DELETE /api/exchanges/<key_id>
PATCH  /api/exchanges/<key_id>
GET    /api/exchanges/<key_id>/balance
POST   /api/exchanges/<key_id>/test
GET    /api/hooks
POST   /api/hooks
DELETE /api/hooks/<hook_id>
GET    /api/hooks/<hook_id>
PATCH  /api/hooks/<hook_id>
GET    /api/hooks/<hook_id>/deliveries
POST   /api/hooks/<hook_id>/deliveries/<delivery_id>/again
POST   /api/hooks/<hook_id>/secret
POST   /api/hooks/<hook_id>/test
GET    /api/hooks/events
POST   /api/indicators
DELETE /api/indicators/<indicator_id>
GET    /api/keys
POST   /api/keys
DELETE /api/keys/<key_id>
DELETE /api/orders/<order_id>
POST   /api/orders/oco
DELETE /api/orders/oco/<order_id>
POST   /api/orders/trailing-stop
DELETE /api/orders/trailing-stop/<order_id>
POST   /api/positions
PATCH  /api/positions/<position_id>
POST   /api/positions/<position_id>/close
POST   /api/positions/bulk-close
POST   /api/positions/emergency-exit
POST   /api/positions/limits
POST   /api/safety/circuit-breaker
POST   /api/safety/killswitch
POST   /api/safety/pause
POST   /api/safety/resume
POST   /api/sources/<path:name>/follow
POST   /api/sources/<path:name>/mute
POST   /api/strategies
DELETE /api/strategies/<strategy_id>
PUT    /api/strategies/<strategy_id>
POST   /api/strategies/<strategy_id>/toggle
PATCH  /api/trade-settings
PUT    /api/users/<user_id>/dca
DELETE /api/users/<user_id>/exchanges
GET    /api/users/<user_id>/exchanges
POST   /api/users/<user_id>/exchanges
DELETE /api/users/<user_id>/exchanges/<key_id>
GET    /api/users/<user_id>/exchanges/<key_id>/balance
GET    /api/users/<user_id>/exchanges/<key_id>/leverage
PUT    /api/users/<user_id>/exchanges/<key_id>/leverage
PUT    /api/users/<user_id>/risk
PUT    /api/users/<user_id>/strategy
GET    /api/webhooks
POST   /api/webhooks
DELETE /api/webhooks/<webhook_id>
POST   /api/webhooks/<webhook_id>/toggle
""",
    POSTERS: """
POST   /api/config/weights
POST   /api/broadcast/signal
POST   /api/signals/inbox
""",
    STAFF: """
POST   /api/admin/broadcast
GET    /api/admin/health
GET    /api/admin/metrics
GET    /api/admin/trading/performance
GET    /api/analytics/platform
GET    /api/system/ip
GET    /api/admin/overview
GET    /api/database/system-metrics
GET    /api/events
""",
    CHIEFS: """
GET    /api/admin/activity
GET    /api/admin/users
GET    /api/admin/users/<user_id>
PATCH  /api/admin/users/<user_id>
POST   /api/admin/users/<user_id>/sign-out
GET    /api/admin/audit
GET    /api/users
GET    /api/audit
GET    /api/audit/alerts
POST   /api/audit/alerts/<alert_id>/acknowledge
GET    /api/audit/suspicious
POST   /api/backup/create
GET    /api/backup/list
POST   /api/backup/restore/<name>
""",
}

#: Chat commands. Guests are people whom nobody knows yet.
GUESTS = "start help link"
COMMANDS = {
    EVERYBODY: """status signals signal mute balance pnl positions orders patterns predict sentiment score scan top5 chart
        strategies strategy indicators""",
    ACTIVE: "backtest autotrade risk settings kill resume close newstrategy indicator",
    STAFF: "broadcast sources pause health killall resumeall stats",
    CHIEFS: "users grant revoke audit",
}


def lines(text: str) -> list[str]:
    """The routes of a block as `METHOD path`."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def table() -> dict[str, frozenset[Role] | None]:
    """Every route by `METHOD path`: who may; None is open to everybody, an empty set to nobody."""
    found: dict[str, frozenset[Role] | None] = dict.fromkeys(lines(PUBLIC))
    found |= dict.fromkeys(lines(CLOSED), frozenset())
    for roles, text in ROUTES.items():
        for line in lines(text):
            assert line not in found, f"{line} is written twice"
            found[line] = roles
    return found
