"""What can happen to the answers of a meter on their way, for a ``WireRelay``."""

from __future__ import annotations

import random
from itertools import pairwise

from tests.instruments.meter_rows import LINES, PACKETS, SCPI, STREAM, MeterRow
from tests.instruments.wire_relay import CUT, Piece, Shape, WireRelay, whole


def torn(row: MeterRow) -> Shape:
    """Get a shape that splits answers: each short one at every byte, others at many places."""
    chance = random.Random(row.profile)
    count = 0

    def shape(answer: bytes) -> list[Piece]:
        nonlocal count
        count += 1
        places = set[int]()
        if row.wire == PACKETS:
            places |= {count // 5 % len(answer)} if count % 5 == 0 else set()
        elif row.wire == STREAM:
            places |= {chance.randrange(len(answer)) for _ in range(4)}
        else:
            places |= {*range(40), *range(len(answer) - 3, len(answer))}
            places |= {chance.randrange(len(answer)) for _ in range(4)}
        return in_pieces(answer, places)

    return shape


def in_pieces(answer: bytes, places: set[int]) -> list[Piece]:
    """Split an answer; each piece comes a moment after the one before."""
    cuts = [0, *sorted(at for at in places if 0 < at < len(answer)), len(answer)]
    return [(1e-4 if begin else 0.0, answer[begin:end]) for begin, end in pairwise(cuts)]


def once(shape: Shape) -> Shape:
    """Do this to the next answer, and to no other."""
    done: list[bool] = []

    def first(answer: bytes) -> list[Piece]:
        done.append(True)
        return shape(answer) if len(done) == 1 else whole(answer)

    return first


def damages(row: MeterRow) -> list[Shape]:
    """Get what can happen to an answer on its way on this kind of wire."""
    if row.wire in (SCPI, LINES):  # TCP loses nothing: what is too much was there before
        return [
            lambda answer: [(0.0, answer + b"7")],
            lambda answer: [(0.0, answer + b"\n")],
            lambda answer: [(0.0, b"\n"), (0.0, answer)],
        ]
    packet = row.wire == PACKETS
    return [
        lambda _: [],
        lambda answer: [(0.0, answer), (0.0, answer)],
        lambda answer: [(0.0, b"7"), (0.0, answer)] if packet else [(0.0, b"7" + answer)],
        lambda answer: [(0.0, answer[:-1])],
    ]


def cut(answer: bytes) -> list[Piece]:
    """End the connection within an answer."""
    return [(0.0, answer[: len(answer) // 2]), (0.0, CUT)]


def asked(relay: WireRelay) -> bytes:
    """Get the last query that the driver has sent."""
    queries = [line for line in relay.asked.split(b"\n") if b"?" in line]
    return queries[-1].strip() if queries else b""


def headed(relay: WireRelay) -> Shape:
    """Get a shape that puts before each answer what was asked, as with ``:COMM:HEAD ON``."""

    def shape(answer: bytes) -> list[Piece]:
        queries = asked(relay).split(b";")
        answers = answer.split(b";") if len(queries) > 1 else [answer]
        if queries[0].startswith(b"*") or len(answers) != len(queries) or b"#" in answer:
            return whole(answer)
        heads = [query.partition(b"?")[0] + b" " for query in queries]
        pairs = zip(heads, answers, strict=True)
        return [(0.0, b";".join(head + told for head, told in pairs))]

    return shape
