"""Test that fits find the parameters that values were drawn with, and say where a model is bad."""

from __future__ import annotations

from math import isnan, log

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from orderengine.analysis.fitting import (
    CHECKED,
    Fit,
    fit_durations,
    fit_model,
    lag_1,
)
from orderengine.analysis.fitting_fees import fit_fees
from orderengine.analysis.fitting_models import model_cdf, model_quantile
from orderengine.analysis.fitting_slots import fit_landing_slots, fit_slot_times
from orderengine.errors import InvalidData

Floats = npt.NDArray[np.float64]
LAWS: dict[str, dict[str, float]] = {
    "exponential": {"mean": 50.0},
    "gamma": {"mean": 100.0, "shape": 2.5},
    "lognormal": {"median": 492.0, "sigma": 0.53},
    "shifted_lognormal": {"offset": 300.0, "median": 200.0, "sigma": 0.6},
}


def drawn(model: str, count: int = 4_000, seed: int = 5) -> Floats:
    """Return durations of a law, drawn by NumPy's own methods and not by ours."""
    source, law = np.random.Generator(np.random.PCG64(seed)), LAWS[model]
    if model == "exponential":
        return source.exponential(law["mean"], count)
    if model == "gamma":
        return source.gamma(law["shape"], law["mean"] / law["shape"], count)
    logs = log(law["median"]) + law["sigma"] * source.normal(size=count)
    return np.asarray(law.get("offset", 0.0) + np.exp(logs))


@pytest.mark.parametrize("model", LAWS)
def test_fits_find_the_parameters_again(model: str) -> None:
    """Within the interval, which is at most a fifth of the value wide, and without a miss."""
    fit = fit_model(model, drawn(model), 0.99)
    assert set(fit.parameters) == set(LAWS[model])
    for name, truth in LAWS[model].items():
        found = fit.parameters[name]
        assert found.low <= truth <= found.high
        assert found.half_width < 0.1 * truth
    assert fit.misses == ()
    assert fit.ks < 1.36 / 4_000**0.5  # the 5 % point; a fitted law is nearer than the true one


@pytest.mark.parametrize("model", ["gamma", "lognormal", "shifted_lognormal"])
def test_the_law_drawn_from_has_the_least_aic(model: str) -> None:
    """And empirical stands last, without an AIC."""
    fits = fit_durations(drawn(model))
    assert fits[0].model == model
    assert fits[-1].model == "empirical"
    assert isnan(fits[-1].aic)


def test_parameter_intervals_cover_as_often_as_they_say() -> None:
    """Of a lognormal's sigma over 300 samples of 80 values."""
    hits = 0
    for seed in range(300):
        found = fit_model("lognormal", drawn("lognormal", 80, seed)).parameters["sigma"]
        hits += found.low <= LAWS["lognormal"]["sigma"] <= found.high
    assert hits / 300 == pytest.approx(0.94, abs=0.035)


def test_likelihoods_are_scipys() -> None:
    """Log-likelihoods agree with SciPy's densities at the fitted parameters."""
    values = drawn("gamma", 500)
    gamma = fit_model("gamma", values)
    shape, mean = gamma.value("shape"), gamma.value("mean")
    assert gamma.log_likelihood == pytest.approx(
        stats.gamma.logpdf(values, shape, scale=mean / shape).sum()
    )
    for model in ("lognormal", "shifted_lognormal"):
        fit = fit_model(model, drawn("shifted_lognormal", 500))
        offset = fit.value("offset") if "offset" in fit.parameters else 0.0
        density = stats.lognorm.logpdf(
            drawn("shifted_lognormal", 500), fit.value("sigma"), offset, fit.value("median")
        )
        assert fit.log_likelihood == pytest.approx(density.sum())
        assert fit.aic == pytest.approx(2 * len(fit.parameters) - 2 * density.sum())


def test_gamma_fit_is_scipys() -> None:
    """The shape of SciPy's own maximum likelihood."""
    values = drawn("gamma", 500)
    shape, _, scale = stats.gamma.fit(values, floc=0)
    fit = fit_model("gamma", values)
    assert fit.value("shape") == pytest.approx(shape, rel=1e-4)
    assert fit.value("mean") == pytest.approx(shape * scale, rel=1e-4)


def test_ks_is_scipys() -> None:
    """The same distance as ``kstest`` finds for the fitted law."""
    values = drawn("shifted_lognormal", 300)
    fit = fit_model("lognormal", values)
    law = stats.lognorm(fit.value("sigma"), 0, fit.value("median"))
    assert fit.ks == pytest.approx(stats.kstest(values, law.cdf).statistic)


def test_a_law_without_an_offset_gets_none() -> None:
    """A lognormal has no floor: the offset is near 0, or 0 and then certainly so."""
    fit = fit_model("shifted_lognormal", drawn("lognormal"))
    offset = fit.parameters["offset"]
    assert offset.value < 0.1 * LAWS["lognormal"]["median"]
    if offset.method == "fixed":
        assert fit.aic == pytest.approx(fit_model("lognormal", drawn("lognormal")).aic)


def test_misses_say_where_a_model_is_bad() -> None:
    """An exponential has far too many short durations for values with a floor."""
    fit = fit_model("exponential", drawn("shifted_lognormal"))
    first = fit.misses[0]
    assert first.q == CHECKED[0]
    assert first.model < first.data.low
    assert str(first).startswith("p1: the model has ")
    assert "below the data's" in str(first)


@pytest.mark.parametrize("model", LAWS)
def test_quantiles_turn_shares_back(model: str) -> None:
    """The share up to a quantile is that quantile's."""
    shares = np.linspace(0.01, 0.99, 9)
    at = model_quantile(model, LAWS[model], shares)
    assert model_cdf(model, LAWS[model], at) == pytest.approx(shares)


def test_neighbours_that_are_alike_are_told() -> None:
    """A random walk's neighbours correlate, independent draws' do not."""
    steps = np.random.Generator(np.random.PCG64(3)).normal(size=400)
    assert lag_1(np.exp(np.cumsum(steps) / 20)).low > 0.9
    free = lag_1(np.exp(steps))
    assert free.low < 0 < free.high


def test_fees_have_a_share_without_a_bid_and_percentiles_of_all() -> None:
    """A third bids nothing, so the median of all is the quarter-quantile of the bids."""
    bids = drawn("lognormal", 2_000)
    fit = fit_fees(np.concatenate([np.zeros(1_000), bids]))
    assert fit.zero_share.low < 1 / 3 < fit.zero_share.high
    assert fit.points[0.25].value == 0
    assert fit.points[0.5].value == np.sort(bids)[499]
    assert fit.lognormal.parameters["sigma"].low < 0.53 < fit.lognormal.parameters["sigma"].high


def test_slot_jitter_is_found_through_the_means() -> None:
    """Means of 150 slots of 60 ms jitter vary by 4.9 ms, and give the 60 back."""
    source = np.random.Generator(np.random.PCG64(11))
    slots = source.normal(400, 60, (500, 150))
    fit = fit_slot_times(slots.mean(axis=1), [150] * 500, 0.99)
    assert fit.jitter_sd.low < 60 < fit.jitter_sd.high
    assert fit.mean.low < 400 < fit.mean.high
    assert fit.mean_sd.value == pytest.approx(60 / 150**0.5, rel=0.1)
    assert fit.lag_1.low < 0 < fit.lag_1.high


def test_landing_slots_find_the_chance_again() -> None:
    """Geometric draws of chance 0.4; then values with a floor of 3 slots, which it misses."""
    source = np.random.Generator(np.random.PCG64(2))
    fit = fit_landing_slots(source.geometric(0.4, 3_000), 0.99)
    assert fit.slots_p.low < 0.4 < fit.slots_p.high
    assert fit.misses == ()
    assert sum(fit.shares.values()) == pytest.approx(1)
    assert fit.shares[1] == pytest.approx(0.4, abs=0.03)
    assert fit_landing_slots(2 + source.geometric(0.4, 500)).misses


def test_fits_repeat_themselves() -> None:
    """The same values give the same fit to the last bit: nothing is drawn."""
    values = drawn("shifted_lognormal", 300)
    first: list[Fit] = fit_durations(values)[:-1]
    assert first == fit_durations(values)[:-1]


@pytest.mark.parametrize(
    "values",
    [[1.0] * 9, [1.0] * 20, [*range(20)], [*range(1, 20), float("inf")]],
    ids=["too few", "all equal", "a zero", "infinite"],
)
def test_values_that_cannot_be_fitted_are_refused(values: list[float]) -> None:
    """With our own error."""
    with pytest.raises(InvalidData):
        fit_durations(values)


def test_wrong_fees_slots_and_models_are_refused() -> None:
    """With our own error."""
    with pytest.raises(InvalidData):
        fit_fees([-1.0] * 20)
    with pytest.raises(InvalidData):
        fit_landing_slots([0.5] * 20)
    with pytest.raises(InvalidData):
        fit_slot_times([400.0] * 20, [1] * 19)
    with pytest.raises(InvalidData):
        fit_model("weibull", drawn("gamma", 50))
