import numpy as np

from irg_experiments.results.curves import mean_curve


def test_repetitions_are_averaged_at_the_steps_that_all_have():
    first = [
        {"step": 10, "x": 4.0, "train_loss": 1.0},
        {"step": 15, "train_loss": 1.0},
        {"step": 20, "x": 2.0},
        {"step": 30, "x": 1.0},
    ]
    second = [{"step": 10, "x": 2.0}, {"step": 20, "x": None}]
    curve = mean_curve([({"steps_per_second": 10.0}, first), ({"steps_per_second": 5.0}, second)], "x")
    np.testing.assert_array_equal(curve.steps, [10, 20])
    np.testing.assert_allclose(curve.seconds, [1.5, 3.0])  # a step takes 0.1 and 0.2 seconds
    np.testing.assert_array_equal(curve.mean, [3.0, np.nan])
    np.testing.assert_allclose(curve.spread, [2**0.5, np.nan])


def test_a_single_run_has_no_spread():
    curve = mean_curve([({"steps_per_second": 2.0}, [{"step": 4, "x": 1.0}])], "x")
    assert (curve.mean.tolist(), curve.seconds.tolist(), curve.spread) == ([1.0], [2.0], None)
