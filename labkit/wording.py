"""How a number of things is said: "1 box", "2 boxes"."""

from __future__ import annotations


def counted(number: int, thing: str, things: str = "") -> str:
    """Say how many of a thing there are.

    Parameters
    ----------
    number : int
        How many.
    thing : str
        The word for one of them; of several words the last is the one that changes.
    things : str
        The word for more or none, where the rule does not make it: "-s"; "-es" after s, x, z, ch and sh; "-ies" for a
        "y" after a consonant.

    Returns
    -------
    str
        The number and the word.

    Examples
    --------
    >>> counted(1, "pair"), counted(0, "pair"), counted(2, "box"), counted(9, "county"), counted(3, "day")
    ('1 pair', '0 pairs', '2 boxes', '9 counties', '3 days')
    >>> counted(1, "person", "people"), counted(30, "person", "people")
    ('1 person', '30 people')
    """
    return f"1 {thing}" if number == 1 else f"{number} {things or _plural(thing)}"


def _plural(thing: str) -> str:
    if thing.endswith(("s", "x", "z", "ch", "sh")):
        return f"{thing}es"
    if thing.endswith("y") and thing[-2:-1] not in "aeiou":
        return f"{thing[:-1]}ies"
    return f"{thing}s"
