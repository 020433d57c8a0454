"""The score of the script that teams come from: health, strategy and recommendation by its own numbers.

Source: `seed-runner-blockers.md`, section 8, "Runner Health Assessment" and "Fallback Intelligence Engine". Divisions
are bash's: they cut towards zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actionlib.metrics import PENALTIES, Metric, Penalty, incurred

HEALTHY_FROM, DEGRADED_FROM = 75, 50
# Points of each metric: above its lower limit, above its upper one.
_POINTS: Mapping[str, tuple[int, int]] = {
    "load": (20, 40),
    "load-per-core": (20, 40),
    "memory-percent": (15, 30),
    "disk-percent": (10, 20),
    "active-jobs": (10, 25),
}
SCORED = tuple(_POINTS)


def penalties_with(given: Mapping[str, Metric]) -> tuple[Penalty, ...]:
    """The penalties with the limits of `given` (metrics that somebody set), which says nothing about points."""
    # Absolute limits of the load stand instead of those per core.
    replaced = set(given) | ({"load-per-core"} if "load" in given else set())
    kept = [one for one in PENALTIES if one.metric not in replaced]
    for name, metric in given.items():
        limits = (metric.warning, metric.critical)
        kept += [
            Penalty(name, limit, points)
            for limit, points in zip(limits, _POINTS[name], strict=True)
            if limit is not None
        ]
    return tuple(kept)


def score_without_jobs(score: int, values: Mapping[str, float | None], penalties: Sequence[Penalty]) -> int:
    """A health score without what the host's own jobs cost: for who counts those by themselves."""
    of_jobs = {name: values.get(name) for name in ("load", "load-per-core", "active-jobs")}
    return min(100, score + sum(one.points for one in incurred(of_jobs, penalties)))


def status_of(score: int | None) -> str:
    """`healthy`, `degraded`, `unhealthy`, or `unknown`."""
    if score is None:
        return "unknown"
    return "healthy" if score >= HEALTHY_FROM else "degraded" if score >= DEGRADED_FROM else "unhealthy"


def recommendation_of(status: str) -> str:
    """What the health job says. Nothing is recommended for a host that nothing is known of but the fallback."""
    return {"healthy": "use-self-hosted", "degraded": "use-self-hosted-with-caution"}.get(
        status, "use-fallback"
    )


def engine_score(
    *,
    success_percent: tuple[float, float],
    mean_seconds: tuple[float, float],
    load: float | None,
    memory_percent: float | None,
    active_jobs: float | None,
    peak_hours: bool,
) -> int:
    """The recommendation score, from -100 (cloud) to 100 (self-hosted); pairs are self-hosted, cloud.

    What is not known (None) counts for neither side.
    """
    here, there = (int(one) for one in success_percent)
    score = _divide((here - there) * 40, 100)
    fast, slow = (max(0, int(one)) for one in mean_seconds)
    if fast < slow:
        score += _divide((slow - fast) * 30, slow)
    elif fast:
        score -= _divide((fast - slow) * 30, fast)
    if load is not None:
        score += 20 if load < 2.0 else -20 if load > 6.0 else 0
    if memory_percent is not None:
        score += 10 if memory_percent < 50.0 else -10 if memory_percent > 80.0 else 0
    if active_jobs is not None and active_jobs > 2:
        score -= 15
    return score - 10 if peak_hours else score


def engine_recommendation(score: int) -> str:
    """What the engine says of its score."""
    if score > 25:
        return "use-self-hosted"
    if score > 0:
        return "use-self-hosted-with-monitoring"
    return "use-cloud-fallback" if score > -25 else "force-cloud-fallback"


def _divide(value: int, by: int) -> int:
    """Integer division that cuts towards zero, as bash does it."""
    quotient = abs(value) // by
    return quotient if value >= 0 else -quotient


def reasons(values: Mapping[str, float | None], penalties: Sequence[Penalty]) -> list[str]:
    """Each penalty in words."""
    return [f"{one.metric} {values[one.metric]:.3g} above {one.limit:g}: -{one.points}" for one in penalties]
