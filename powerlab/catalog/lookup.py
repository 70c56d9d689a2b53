"""Finding what was meant: the nearest identifiers, and the error that names them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from powerlab.errors import UnknownId

_LISTED_AT_MOST = 8


def nearest(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Get the known words most like ``word``, best first; none where nothing is near.

    A word that contains the other counts as near, so that ``v100`` finds ``aistudio-v100``.
    """
    candidates = sorted(set(known))
    lowered = word.lower().replace("_", "-")
    folded = {item.lower().replace("_", "-"): item for item in candidates}
    close = [folded[item] for item in get_close_matches(lowered, folded, n=count, cutoff=0.6)]
    if len(lowered) >= 3:
        close += [item for key, item in folded.items() if lowered in key and item not in close]
    return close[:count]


def unknown_id(kind: str, word: str, known: Iterable[str], command: str) -> UnknownId:
    """Build the error for an identifier that names nothing.

    ``kind`` is the word for people ("device"), ``command`` what lists the known ones.
    """
    names = sorted(known)
    near = nearest(word, names)
    if near:
        lead = f"did you mean {' or '.join(map(repr, near))}? "
    elif not names:
        lead = "there is none yet; "
    elif len(names) <= _LISTED_AT_MOST:
        lead = f"known: {', '.join(names)}; "
    else:
        lead = ""
    return UnknownId(
        f"there is no {kind} {word!r}",
        hint=f"{lead}`{command}` shows them all",
        context={"kind": kind, "id": word, "nearest": near},
    )
