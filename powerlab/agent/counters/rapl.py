"""Energy counters of x86 processors: RAPL, by the kernel's powercap tree.

Files after Documentation/power/powercap/powercap.rst: a domain's ``name``, ``energy_uj`` and
``max_energy_range_uj``, where the counter begins anew. Domains overlap: the platform (psys)
holds packages and memory, a package holds its cores (core) and its graphics (uncore), memory
(dram) stands beside its package. Newer kernels let only root read the counters, because they
leak what a processor works on (CVE-2020-8694).
"""

import glob
import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from powerlab.agent.counters.files import number
from powerlab.agent.counters.rails import Choice, choose, facts_of
from powerlab.agent.facts import read_text
from powerlab.agent.faults import AgentError

OPTIONS = ("selector", "root")

TREE = "sys/class/powercap"
PLATFORM = "psys"

HINT = (
    "until the next boot: sudo chmod a+r /sys/class/powercap/intel-rapl*/energy_uj; for good, a "
    'rule: echo \'SUBSYSTEM=="powercap", ACTION=="add", RUN+="/bin/chmod a+r /sys%p/energy_uj"\' '
    "| sudo tee /etc/udev/rules.d/60-powercap.rules. It lets every program on the board see how "
    "hard its processor works"
)

# The same counters once more, by another way of asking the processor.
_DOMAIN = re.compile(r"intel-rapl:(\d+)(?::(\d+))?\Z")


class Domain(NamedTuple):
    """One domain: its name ("package-0", "package-0/core"), its folder, where it wraps."""

    name: str
    place: str
    wraps_at: int
    inside: bool

    @property
    def counter(self) -> str:
        """Get the path of its counter."""
        return os.path.join(self.place, "energy_uj")


def find(root: str = "/") -> List[Domain]:
    """Get the domains of a file tree, those inside of a package after it."""
    found = []
    for place in glob.glob(os.path.join(glob.escape(root), TREE, "intel-rapl:*")):
        match = _DOMAIN.match(os.path.basename(place))
        if match is None or not os.path.exists(os.path.join(place, "energy_uj")):
            continue
        package, part = match.groups()
        order = (int(package), -1 if part is None else int(part))
        found.append((order, _domain(place, root, package, part)))
    return [domain for _, domain in sorted(found)]


def whole(domains: Sequence[Domain]) -> Choice:
    """Choose what adds up to the most without counting twice: the platform, or its parts."""
    platform = [one for one in domains if one.name.startswith(PLATFORM)]
    if platform and number(platform[0].counter, HINT):  # where nobody wired it, it stays at 0
        return Choice((platform[0].name,), "sum")
    parts = tuple(
        one.name
        for one in domains
        if not one.name.startswith(PLATFORM)
        and (not one.inside or one.name.rpartition("/")[2].startswith("dram"))
    )
    return Choice(parts, "rail" if len(parts) == 1 else "sum")


class Domains:
    """Some domains, read one after another: counts of µJ."""

    def __init__(self, domains: Sequence[Domain], facts: Dict[str, Any]) -> None:
        self._domains = tuple(domains)
        self.facts = dict(
            facts,
            quantity="energy",
            unit_j=1e-6,
            wraps_at=[one.wraps_at for one in self._domains],
            chips=["rapl"],
            update_s=0.0,
            stands_for="energy counted by the processor; the parts of the board around it are not "
            "in it"
            if not facts["parts"][0].startswith(PLATFORM)
            else "energy counted for the whole platform, as its maker wired that",
        )
        self.read()

    def read(self) -> List[Optional[float]]:
        """Get the counts of each domain."""
        return [number(one.counter, HINT) for one in self._domains]


def open_source(options: Dict[str, str]) -> Domains:
    """Choose the domains by name or by rule; raises AgentError where they cannot be read."""
    domains = find(options.get("root") or "/")
    if not domains:
        raise AgentError(
            "counter-missing",
            "the board's kernel shows no energy counter of its processor (RAPL)",
            "it takes an x86 processor and its driver (modprobe intel_rapl_msr), not a virtual "
            "machine; use another meter otherwise",
        )
    names = [one.name for one in domains]
    selector = options.get("selector", "")
    choice = choose(names, selector) if selector else whole(domains)
    by_name = {one.name: one for one in domains}
    return Domains([by_name[name] for name in choice.names], facts_of(choice, names))


def _domain(place: str, root: str, package: str, part: Optional[str]) -> Domain:
    name = read_text(os.path.join(place, "name")) or os.path.basename(place)
    if part is not None:
        outer = os.path.join(root, TREE, f"intel-rapl:{package}", "name")
        name = f"{read_text(outer) or package}/{name}"
    span = read_text(os.path.join(place, "max_energy_range_uj"))
    return Domain(name, place, int(span) if span.isdigit() else 0, part is not None)
