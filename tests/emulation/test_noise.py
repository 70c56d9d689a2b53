"""Numbers by position: the same however they are reached, and of the right distribution."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from powerlab.emulation import noise

PINNED = 0.891898099961957
POSITIONS = st.integers(min_value=-(10**12), max_value=10**12)


@given(seed=st.integers(), first=POSITIONS, skip=st.integers(0, 9), count=st.integers(0, 9))
def test_any_stretch_is_part_of_the_whole(seed: int, first: int, skip: int, count: int) -> None:
    """A stretch drawn alone equals the same stretch of a longer draw."""
    whole = noise.uniforms(seed, "x", first, 18)
    part = noise.uniforms(seed, "x", first + skip, count)
    assert np.array_equal(part, whole[skip : skip + count])


def test_streams_and_seeds_differ() -> None:
    """Another name or another seed gives other numbers."""
    drawn = {
        tuple(noise.uniforms(seed, name, 0, 3)) for seed in (0, 1, -1) for name in ("a", "b", "")
    }
    assert len(drawn) == 9


def test_the_numbers_never_change() -> None:
    """The first numbers of a stream are those of every release, so a seed stays a world."""
    assert noise.uniform(7, "supply lag") == PINNED


def test_uniforms_are_uniform_and_inside() -> None:
    """A hundred thousand numbers fill (0, 1) evenly and never reach its ends."""
    drawn = noise.uniforms(3, "u", 0, 100_000)
    assert drawn.min() > 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-4


def test_normals_and_exponentials_have_their_moments() -> None:
    """Normals pass a Kolmogorov test; exponentials have mean 1 and are positive."""
    assert stats.kstest(noise.normals(3, "n", 5, 100_000), "norm").pvalue > 1e-4
    waits = noise.exponentials(3, "e", 5, 100_000)
    assert waits.min() > 0
    assert abs(waits.mean() - 1) < 0.02


def test_neighbours_are_not_correlated() -> None:
    """Numbers side by side have no common part."""
    drawn = noise.normals(11, "c", 0, 100_000)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02
