"""The design that other tests take their cases from."""

from itertools import combinations, product

import pytest

from tests.designs import covering

FACTORS = ["ab", "abc", "abcd", "abc", "ab"]


def meetings(cases, columns):
    return {tuple(case[i] for i in columns) for case in cases}


@pytest.mark.parametrize("strength", [1, 2, 3, 5])
def test_all_levels_of_so_many_factors_meet(strength):
    full = list(product(*FACTORS))
    chosen = covering(full, strength)
    for columns in combinations(range(len(FACTORS)), strength):
        levels = [FACTORS[i] for i in columns]
        assert meetings(chosen, columns) == set(product(*levels))
    assert set(chosen) <= set(full)


def test_cases_are_few_and_in_order():
    full = list(product(*FACTORS))
    sizes = [len(covering(full, strength)) for strength in (1, 2, 3)]
    # As many as two factors with the most levels have, or a few more.
    assert sizes[0] == 4 and 12 <= sizes[1] <= 16 and 36 <= sizes[2] <= 48
    chosen = covering(full)
    assert chosen == sorted(chosen, key=full.index) == covering(full)


def test_only_what_meets_in_some_case_is_asked_for():
    possible = [case for case in product("ab", "abc", "abc") if case[:2] != ("a", "a")]
    chosen = covering(possible)
    for columns in combinations(range(3), 2):
        assert meetings(chosen, columns) == meetings(possible, columns)
    assert set(chosen) <= set(possible)


def test_no_cases():
    assert covering([]) == []
