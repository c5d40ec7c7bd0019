"""Writes Tests/Fixtures/paired_tests.json: paired tests by SciPy, for Tests/ReportsTests/PairedTestTests.swift."""
import json
import pathlib

import numpy as np
import scipy.stats

random = np.random.default_rng(0)
cases = []
for count, shift, scale in [(2, 0.5, 1), (3, 0.02, 0.01), (5, 0.02, 0.01), (6, -0.01, 0.01), (8, 0.0, 1), (10, 0.3, 1), (12, 0.01, 0.02), (14, 1, 2)]:
    values = np.round(random.normal(shift, scale, count), 3)
    if count == 8:  # ties and zeros
        values = np.array([0.0, 0.5, -0.5, 0.5, 0.5, 0.0, 1.0, -0.25])
    test = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided", vectorized=False)
    interval = scipy.stats.t.interval(0.95, count - 1, loc=values.mean(), scale=scipy.stats.sem(values))
    cases.append({"differences": values.tolist(), "p": float(test.pvalue), "interval": [float(x) for x in interval]})

holm = []
for count in [1, 2, 5, 9]:
    values = np.round(random.uniform(0, 0.2, count), 4)
    order = np.argsort(values, kind="stable")
    # Written out here, since SciPy has Benjamini and Hochberg's correction alone.
    corrected = np.minimum(1, np.maximum.accumulate((count - np.arange(count)) * values[order]))
    result = np.empty(count)
    result[order] = corrected
    holm.append({"p": values.tolist(), "corrected": result.tolist()})

# Nadeau and Bengio, Machine Learning 52, 2003: folds, whose training sets overlap.
corrected_t = []
for folds, repeats, shift, scale in [(2, 1, 0.02, 0.01), (3, 1, 0.5, 1), (5, 1, 0.02, 0.01), (10, 1, 0.0, 1), (10, 1, 0.02, 0.005), (5, 6, 0.01, 0.02)]:
    values = np.round(random.normal(shift, scale, folds * repeats), 4)
    overlap = 1 / (folds - 1)
    error = np.sqrt(values.var(ddof=1) * (1 / len(values) + overlap))
    freedom = len(values) - 1
    corrected_t.append({
        "differences": values.tolist(), "overlap": overlap, "p": float(2 * scipy.stats.t.sf(abs(values.mean() / error), freedom)),
        "interval": [float(x) for x in scipy.stats.t.interval(0.95, freedom, loc=values.mean(), scale=error)],
    })

path = pathlib.Path(__file__).parent.parent / "Fixtures/paired_tests.json"
path.write_text(json.dumps({"paired": cases, "holm": holm, "corrected_t": corrected_t}, indent=1) + "\n")
