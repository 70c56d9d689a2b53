"""Which of a board's rails make up its power: one that is the total, or all that are stated.

A total rail feeds the others, so that these must not be added to it. Names of total rails after
NVIDIA's Jetson Linux Developer Guide: POM_5V_IN (Nano), VDD_IN (TX1, TX2, Xavier NX, Orin NX
and Nano), VIN (Thor).
"""

from typing import Any, Dict, NamedTuple, Sequence, Tuple

from powerlab.agent.faults import AgentError

TOTALS = ("VDD_IN", "POM_5V_IN", "VIN")

NOT_CONNECTED = "NC"


class Choice(NamedTuple):
    """The rails that are read, by name, and what they are of the board.

    ``scope`` is "board" (the total), "sum" (of all stated rails: there is no total) or "rail".
    """

    names: Tuple[str, ...]
    scope: str


def choose(
    names: Sequence[str], selector: str, *, alone: Sequence[str] = (), related: bool = True
) -> Choice:
    """Choose among a board's rails: those that ``selector`` names ("A" or "A+B"), or by rule.

    Without a selector: the total rail; else the only one; else, where the rails are
    ``related`` (parts of one board that do not overlap), all of them. ``alone`` are rails that
    are read only when they are named. Raises AgentError "counter-unknown" and
    "counter-ambiguous", with the names that there are.
    """
    known = list(names) + list(alone)
    if selector:
        return _named(known, selector)
    found = {name.upper(): name for name in names}
    for total in TOTALS:
        if total in found:
            return Choice((found[total],), "board")
    if len(names) == 1:
        return Choice(tuple(names), "rail")
    if names and related:
        return Choice(tuple(names), "sum")
    raise AgentError(
        "counter-ambiguous",
        f"the board has {len(known)} sensors, none of them known to be its whole supply",
        f"name one after the kind, or several to be added (A+B): {', '.join(known)}",
    )


def _named(known: Sequence[str], selector: str) -> Choice:
    by_name = {name.upper(): name for name in known}
    wanted = [word.strip().upper() for word in selector.split("+")]
    missing = [word for word in wanted if word not in by_name]
    if missing or len(set(wanted)) < len(wanted):
        what = f"has no sensor {' and '.join(missing)}" if missing else "cannot count one twice"
        raise AgentError(
            "counter-unknown",
            f"the board {what}",
            f"it has {', '.join(known) or 'none'}",
        )
    chosen = tuple(by_name[word] for word in wanted)
    if len(chosen) == 1:
        return Choice(chosen, "board" if wanted[0] in TOTALS else "rail")
    return Choice(chosen, "sum")


def facts_of(choice: Choice, known: Sequence[str]) -> Dict[str, Any]:
    """Get the facts that every source of rails tells."""
    return {
        "parts": list(choice.names),
        "scope": choice.scope,
        "not_read": [name for name in known if name not in choice.names],
    }
