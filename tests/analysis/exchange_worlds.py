"""Clock exchanges over simulated networks, with a board whose rate moves with its load."""

from dataclasses import dataclass

import numpy as np

from powerlab.records import ClockExchanges

SECOND = 1_000_000_000
BOARD_OFFSET_NS = 10**15
SKEW_PPM = 40.0
ANSWER_NS = 20_000
COMMAND_S = 0.0005


def lan(rng, count):
    """Get one-way delays of a LAN: 150 us, an exponential tail of 150 us, 3 % spikes of 5 ms."""
    spikes = np.where(rng.random(count) < 0.03, 5e6, 0.0)
    return 150e3 + rng.exponential(150e3, count) + spikes


def loopback(rng, count):
    """Get one-way delays through an ssh on the same computer."""
    return 100e3 + rng.exponential(60e3, count)


def wireless(rng, count):
    """Get one-way delays of a busy wireless network: no sharp lower edge, long spikes."""
    spikes = np.where(rng.random(count) < 0.05, rng.exponential(50e6, count), 0.0)
    return 1e6 + rng.gamma(2.0, 1e6, count) + spikes


def stamps(t1, t2, t3, t4):
    """Get exchanges from instants in nanoseconds of any number type."""
    rounded = (np.rint(column).astype(np.int64) for column in (t1, t2, t3, t4))
    return ClockExchanges(*rounded)


def columns(exchanges):
    """Get the four stamps, int64 ``(4, n)``."""
    return np.stack(
        (exchanges.t1_ns, exchanges.t2_board_ns, exchanges.t3_board_ns, exchanges.t4_ns)
    )


def steady_board(host_ns, skew_ppm=SKEW_PPM):
    """Get the instants on a board clock of constant rate."""
    drift = np.rint(skew_ppm * 1e-6 * np.asarray(host_ns, dtype=np.float64)).astype(np.int64)
    return np.rint(host_ns).astype(np.int64) + drift + BOARD_OFFSET_NS


def scattered(seed, *, count=400, span_s=600.0, asymmetry_ns=0.0):
    """Get exchanges at random instants over a LAN with a steady board.

    ``asymmetry_ns`` is by how much the way there is longer, and the way back shorter.
    """
    rng = np.random.default_rng(seed)
    t1 = np.sort(rng.uniform(0, span_s * SECOND, count))
    arrive = t1 + lan(rng, count) + asymmetry_ns
    leave = arrive + ANSWER_NS
    back = leave + lan(rng, count) - asymmetry_ns
    return stamps(t1, steady_board(arrive), steady_board(leave), back)


@dataclass
class Session:
    """A measurement laid out as a real one, and its true clock.

    ``exchanges`` lie in ``bursts`` (arrays of indices), ``edges_ns`` are the true starts and
    stops of the runs on the host's clock.
    """

    exchanges: ClockExchanges
    bursts: list[np.ndarray]
    edges_ns: np.ndarray
    knots_ns: np.ndarray
    extra_ns: np.ndarray

    def board(self, host_ns):
        """Get host instants on the board's true clock."""
        extra = np.interp(host_ns, self.knots_ns, self.extra_ns)
        return steady_board(host_ns) + np.rint(extra).astype(np.int64)

    def only(self, bursts):
        """Get the exchanges of some bursts."""
        chosen = np.concatenate([self.bursts[number] for number in bursts])
        return stamps(*columns(self.exchanges)[:, chosen])


def session(
    seed, *, run_s, load_ppm=5.0, network=lan, asymmetry=0.2, runs=8, idle_s=120.0, guard_s=1.0
):
    """Lay out bursts and phases: 200 exchanges at both ends, 60 between any two runs.

    The board's rate is ``load_ppm`` higher while it works. The ways differ by a constant,
    uniform within ± ``asymmetry`` of the network's shortest delay.
    """
    rng = np.random.default_rng(seed)
    shortest = network(rng, 10_000).min()
    bias = shortest * asymmetry * rng.uniform(-1, 1)
    now, bursts, knots, rates, edges = 0.0, [], [0.0], [], []

    def advance(length_s, rate_ppm):
        nonlocal now
        now += length_s
        knots.append(now)
        rates.append(rate_ppm)

    def exchange(count):
        there, back = network(rng, count) + bias, network(rng, count) - bias
        answer = ANSWER_NS + rng.exponential(ANSWER_NS, count)
        took = there + answer + back
        sent = now * SECOND + np.concatenate(([0.0], np.cumsum(took + 1e6)[:-1]))
        bursts.append(np.stack((sent, sent + there, sent + there + answer, sent + took)))
        advance(bursts[-1][3, -1] / SECOND - now + COMMAND_S, 0.0)

    def run():
        exchange(60)
        advance(guard_s, 0.0)
        edges.append(now)
        advance(run_s, load_ppm)
        edges.append(now)
        advance(guard_s, 0.0)

    exchange(200)
    advance(idle_s, 0.0)
    exchange(60)
    advance(10.0, load_ppm)
    for _ in range(runs):
        run()
    exchange(60)
    advance(idle_s, 0.0)
    exchange(200)
    extra = np.concatenate(([0.0], np.cumsum(np.array(rates) * np.diff(knots)))) * 1e3
    sizes = np.cumsum([burst.shape[1] for burst in bursts])
    made = Session(
        exchanges=stamps(*np.zeros((4, 1))),
        bursts=np.split(np.arange(sizes[-1]), sizes[:-1]),
        edges_ns=np.rint(np.array(edges) * SECOND),
        knots_ns=np.array(knots) * SECOND,
        extra_ns=extra,
    )
    t1, arrive, leave, back = np.concatenate(bursts, axis=1)
    made.exchanges = stamps(t1, made.board(arrive), made.board(leave), back)
    return made
