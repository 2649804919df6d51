"""Search by a tree-structured Parzen estimator (Optuna): later sets are tried where earlier ones did well.

With a storage address every finished trial is kept, the search goes on where it stopped, and several machines that share
the storage work on one search. Each trial's draws come from the seed and the number of trials finished before it, so a
search that was interrupted finds what an uninterrupted one finds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from modules.analysis.candles import Candles
from modules.backtesting.robustness.evaluation import outcomes_of
from modules.backtesting.robustness.search import Objective, Search, Trial
from modules.backtesting.robustness.space import Choices, Space
from modules.backtesting.robustness.subject import Progress, Subject, unheard

if TYPE_CHECKING:
    import optuna

#: Trials at random before the model says where to go on.
_FIRST: Final = 10
#: What the model is told of a set without a score; it only looks at the order of scores.
_WORST: Final = -1e9
_OUTCOME: Final = "outcome"


@dataclass(frozen=True, slots=True)
class Study:
    """Which search: its name, where it is kept (an address such as `sqlite:///path`; None: nowhere), and its seed."""

    name: str = "search"
    storage: str | None = None
    seed: int = 1


def tree_search(
    subject: Subject,
    candles: Candles,
    space: Space,
    trials: int,
    objective: Objective | None = None,
    *,
    kept: Study | None = None,
    progress: Progress = unheard,
) -> Search:
    """Bring a search to so many finished trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    asked, which = objective or Objective(), kept or Study()
    study = optuna.create_study(storage=which.storage, study_name=which.name, direction="maximize", load_if_exists=True)
    ranges = {each: _distribution(space[each]) for each in space}
    while (done := len(_finished(study))) < trials:
        progress(done / trials)
        study.sampler = optuna.samplers.TPESampler(seed=which.seed * 1_000_003 + done, n_startup_trials=_FIRST)
        trial = study.ask(ranges)
        outcome = outcomes_of(subject, candles, [trial.params], workers=1)[0]
        score = asked.score(outcome.figures)
        trial.set_user_attr(_OUTCOME, json.dumps(outcome.document()))
        study.tell(trial, _WORST if score is None else score)
    progress(1.0)
    return Search(asked, tuple(_trial(n, each, asked) for n, each in enumerate(_finished(study))))


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _trial(number: int, trial: optuna.trial.FrozenTrial, objective: Objective) -> Trial:
    kept: dict[str, Any] = json.loads(trial.user_attrs[_OUTCOME])
    return Trial(number, dict(trial.params), kept["figures"], objective.score(kept["figures"]), kept["refused"])


def _distribution(given: Any) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(given, Choices):
        return CategoricalDistribution(given.options)
    if given.whole:
        return IntDistribution(
            int(given.low), int(given.high), log=given.log, step=1 if given.log else int(given.step or 1)
        )
    return FloatDistribution(given.low, given.high, log=given.log, step=given.step)
