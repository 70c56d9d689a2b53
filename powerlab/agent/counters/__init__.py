"""The board's own counters as a meter: a process of its own reads them and keeps the samples.

Started by ``counters KIND key=value ...`` in a channel of its own. A kind's module has
``open_source(options)``, which finds the sensor or raises AgentError. A source has ``facts``
(``powerlab.agent.counters.serve`` lists them) and ``read()``, which gets one number for each of
its parts, None where the sensor told none. One that tells by itself instead has
``start(interval_s)``, ``stop()``, ``fileno()`` and ``take()``, which gets ``(instant, numbers)``
pairs. What a source holds goes with its process.
"""

import importlib
from typing import Any, Dict, List

from powerlab.agent.faults import AgentError

KINDS = ("hwmon", "nvml", "rapl", "tegrastats")


def open_source(words: List[str]) -> Any:
    """Open the source that ``KIND key=value ...`` names; raises AgentError."""
    kind, options = words[0] if words else "", _options(words[1:])
    if kind not in KINDS:
        raise AgentError(
            "counter-unknown",
            f"the agent has no counters of the kind {kind!r}",
            f"it has {', '.join(KINDS)}",
        )
    module = importlib.import_module(f"{__name__}.{kind}")
    known = module.OPTIONS
    for key in options:
        if key not in known:
            raise AgentError(
                "counter-unknown",
                f"the counters of the kind {kind} take no option {key!r}",
                f"they take {', '.join(known)}",
            )
    return module.open_source(options)


def _options(words: List[str]) -> Dict[str, str]:
    pairs = (word.partition("=") for word in words)
    return {key: value for key, _, value in pairs}
