"""Backtests over HTTP: hand one in and be answered at once where it is short, follow it where it is long, read what came of it."""

from __future__ import annotations

from typing import Any, Final

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.bodies.backtests import (
    BacktestBody,
    BacktestPath,
    BacktestQuery,
    CompareBody,
    JobPath,
    MonteCarloBody,
    RunBody,
    SearchBody,
    WalkForwardBody,
)
from api.gate import current, needs
from api.platform.description import file_answer
from api.rooms import Rooms, answer
from modules.accounts.permissions import Verb
from modules.backtest_jobs.desk import BacktestDesk, refuse_failed
from modules.backtest_jobs.redrawing import Redrawing, trades_csv
from modules.backtest_jobs.views import answer_of, job_row, result_row

Answer = tuple[Any, int]
#: So long an answer is waited for before the job is named instead.
WAIT_SECONDS: Final = 2.0
#: The result, or the job that will have it.
_ENDS: Final[dict[Any, Any]] = {200: None, 202: None}
#: The page may show itself and nothing else, whatever a strategy is called.
_PAGE_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def routes(rooms: Rooms) -> APIBlueprint:
    """The blueprint over these rooms."""
    blueprint = APIBlueprint("backtests", __name__, url_prefix="/api/backtest", abp_tags=[Tag(name="backtests")])
    desk = BacktestDesk(rooms.store, rooms.settings.data_dir / "run", rooms.clock)
    _handing_in(blueprint, desk)
    _following(blueprint, desk, rooms)
    _reading(blueprint, desk)
    _files(blueprint, desk, Redrawing(rooms.store, rooms.settings.data_dir))
    return blueprint


def _answered(desk: BacktestDesk, wish: dict[str, Any]) -> Answer:
    """The result where it is there within a moment, else the job."""
    user_id = current().user_id
    job = desk.await_end(desk.submit(user_id, wish), WAIT_SECONDS)
    if not job.ended:
        return answer({"job": job_row(job), "job_id": job.id}, 202)
    refuse_failed(job)
    kept = desk.results.get(user_id, str(job.result_id))
    return answer(answer_of(kept, desk.results.document(user_id, kept.id)))


def _handing_in(blueprint: APIBlueprint, desk: BacktestDesk) -> None:
    @blueprint.post("", summary="Test a strategy on a market's past", responses=_ENDS)
    @needs(Verb.RUN_BACKTESTS)
    def backtest(body: BacktestBody) -> Answer:
        return _answered(desk, body.wish())

    @blueprint.post("/run", summary="Test the house's strategy between two days", responses=_ENDS)
    @needs(Verb.RUN_BACKTESTS)
    def run(body: RunBody) -> Answer:
        return _answered(desk, body.wish())

    @blueprint.post("/compare", summary="Two versions on the same candles: better, or luck?", responses=_ENDS)
    @needs(Verb.RUN_BACKTESTS)
    def compare(body: CompareBody) -> Answer:
        return _answered(desk, body.wish())

    @blueprint.post("/monte-carlo", summary="What luck could have done with the same trades", responses=_ENDS)
    @needs(Verb.RUN_BACKTESTS)
    def monte_carlo(body: MonteCarloBody) -> Answer:
        return _answered(desk, body.wish())

    @blueprint.post("/search", summary="Look for parameters, and how much of the best is selection", responses=_ENDS)
    @needs(Verb.RUN_BACKTESTS)
    def search(body: SearchBody) -> Answer:
        return _answered(desk, body.wish())

    @blueprint.post("/walk-forward", summary="Choose on one stretch, trade on the next", responses=_ENDS)
    @needs(Verb.RUN_BACKTESTS)
    def walk_forward(body: WalkForwardBody) -> Answer:
        return _answered(desk, body.wish())


def _following(blueprint: APIBlueprint, desk: BacktestDesk, rooms: Rooms) -> None:
    @blueprint.get("/jobs", summary="Your tests under way and ended, newest first")
    @needs(Verb.READ_BACKTESTS)
    def jobs(query: BacktestQuery) -> Answer:
        found, following = desk.queue.jobs(current().user_id, limit=query.limit, cursor=query.cursor)
        return answer({"jobs": [job_row(each) for each in found], "next_cursor": following})

    @blueprint.get("/jobs/<job_id>", summary="How far one of your tests is")
    @needs(Verb.READ_BACKTESTS)
    def job(path: JobPath) -> Answer:
        return answer({"job": job_row(desk.queue.get(current().user_id, path.job_id))})

    @blueprint.post("/jobs/<job_id>/cancel", summary="Call one of your tests off")
    @needs(Verb.RUN_BACKTESTS)
    def cancel(path: JobPath) -> Answer:
        return answer({"job": job_row(desk.queue.cancel(current().user_id, path.job_id, rooms.clock.now()))})


def _reading(blueprint: APIBlueprint, desk: BacktestDesk) -> None:
    @blueprint.get("/history", summary="Your finished tests, newest first; the newest hundred are kept")
    @needs(Verb.READ_BACKTESTS)
    def history(query: BacktestQuery) -> Answer:
        found, following = desk.results.results(current().user_id, limit=query.limit, cursor=query.cursor)
        return answer({"backtests": [result_row(each) for each in found], "next_cursor": following})

    @blueprint.get("/<backtest_id>", summary="One finished test in full")
    @needs(Verb.READ_BACKTESTS)
    def one(path: BacktestPath) -> Answer:
        kept = desk.results.get(current().user_id, path.backtest_id)
        return answer(answer_of(kept, desk.results.document(current().user_id, kept.id)))

    @blueprint.delete("/<backtest_id>", summary="Forget one finished test")
    @needs(Verb.RUN_BACKTESTS)
    def forget(path: BacktestPath) -> Answer:
        desk.results.delete(current().user_id, path.backtest_id)
        return answer({"id": path.backtest_id})


def _files(blueprint: APIBlueprint, desk: BacktestDesk, redrawing: Redrawing) -> None:
    @blueprint.get(
        "/<backtest_id>/report",
        summary="The report: one HTML page that loads nothing",
        responses=file_answer("text/html"),
    )
    @needs(Verb.READ_BACKTESTS)
    def report(path: BacktestPath) -> Response:
        response = Response(
            redrawing.page(current().user_id, path.backtest_id), content_type="text/html; charset=utf-8"
        )
        response.headers["Content-Security-Policy"] = _PAGE_POLICY
        return response

    @blueprint.get("/<backtest_id>/trades.csv", summary="Its trades as CSV", responses=file_answer("text/csv"))
    @needs(Verb.READ_BACKTESTS)
    def trades(path: BacktestPath) -> Response:
        text = trades_csv(desk.results.document(current().user_id, path.backtest_id))
        return _file(text.encode(), "text/csv; charset=utf-8", f"{path.backtest_id}-trades.csv")

    @blueprint.get("/<backtest_id>/chart.png", summary="Its picture", responses=file_answer("image/png"))
    @needs(Verb.READ_BACKTESTS)
    def chart(path: BacktestPath) -> Response:
        picture = redrawing.picture(current().user_id, path.backtest_id)
        return Response(picture, content_type="image/png")


def _file(content: bytes, kind: str, name: str) -> Response:
    response = Response(content, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
