import pytest
import torch.distributions as td

from irg_experiments.estimators.dispatch import FamilyDispatch
from irg_experiments.implicit import Chi2, Gamma


def test_the_nearest_base_class_is_called():
    @FamilyDispatch
    def describe(q: td.Distribution, suffix: str) -> str:
        """Words for q."""
        return f"other{suffix}"

    @describe.register
    def _(q: td.Gamma, suffix: str) -> str:
        return f"gamma{suffix}"

    assert describe.__doc__ == "Words for q."
    assert describe(td.Normal(0.0, 1.0), "!") == "other!"
    assert describe(Gamma(1.0, 1.0), "!") == describe(Chi2(1.0), "!") == "gamma!"

    @describe.register
    def _(q: td.Chi2, suffix: str) -> str:
        return f"chi2{suffix}"

    assert describe(Chi2(1.0), "!") == "chi2!"
    assert describe(Gamma(1.0, 1.0), "!") == "gamma!"


def test_the_family_comes_from_the_annotation():
    function = FamilyDispatch(lambda q: None)
    with pytest.raises(TypeError, match="annotation"):
        function.register(lambda q: None)
