"""Fewer cases than a full product has, at nearly its power."""

from itertools import combinations


def covering(cases, strength=2):
    """Some of the cases, among which any two levels that met still meet.

    Most faults need one or two factors to show, hardly any more than three [1]_.

    Parameters
    ----------
    cases : iterable of tuples of hashable levels
        Commonly a product of factors, without the cases that make no sense.
    strength : int, default=2
        How many levels of different factors are to meet.

    Returns
    -------
    chosen : list of tuples
        In the order of `cases`; each was the one with the most new meetings.

    References
    ----------
    .. [1] D. R. Kuhn, D. R. Wallace, A. M. Gallo, "Software fault interactions and
       implications for software testing", IEEE Trans. Software Engineering 30, 2004.
    """
    meetings = {case: set(combinations(enumerate(case), strength)) for case in cases}
    missing, chosen = set().union(*meetings.values()), set()
    while missing:
        best = max(meetings, key=lambda case: len(meetings[case] & missing))
        chosen.add(best)
        missing -= meetings[best]
    return [case for case in meetings if case in chosen]
