"""What an inference takes and how fast a board can be at most, as text and as plain values."""

from __future__ import annotations

from typing import Any

from powerlab.analysis.accuracy import wilson
from powerlab.analysis.roofline import (
    bound,
    intensity,
    layered_bound,
    least_traffic,
    total_macs,
    total_parameters,
    traffic,
    unknown_layers,
)
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.circumstances import roofs
from powerlab.errors import PowerlabError
from powerlab.recipes import cache_dir
from powerlab.recipes.counted import Counted, counted
from powerlab.records import Figure


def counted_or_why(profile: WorkloadProfile) -> tuple[Counted | None, str]:
    """Count a workload in its file, or say why it cannot be: what is known of it is shown yet."""
    try:
        found = counted(profile, cache_dir())
    except PowerlabError as error:
        return None, f"{error.message} ({error.hint})" if error.hint else error.message
    return found, "" if found else "no file that can be read: ONNX and TFLite can"


def counts(found: Counted, batch: int) -> dict[str, Any]:
    """Get what is counted in a file, per inference at a batch size."""
    layers = found.layers
    moved = traffic(layers, batch)
    return {
        "file": str(found.path),
        "batch": batch,
        "parameters": total_parameters(layers),
        "macs": total_macs(layers),
        "weight_bytes": moved.weight_bytes,
        "value_bytes": moved.value_bytes,
        "least_bytes": least_traffic(layers, found.ends_bytes, batch).total_bytes,
        "operations_per_byte": intensity(total_macs(layers), moved),
        "unknown_layers": [f"{layer.name} ({layer.kind})" for layer in unknown_layers(layers)],
    }


def bounds(
    found: Counted,
    workload: WorkloadProfile,
    device: DeviceProfile,
    *,
    batch: int,
    runtime: str,
) -> dict[str, Any]:
    """Get how fast a board can be at most, inferences per second, None without a roof.

    The ``runtime`` says which part of a composite device works; "" leaves out its link.
    """
    limits = roofs(device, workload.precision, runtime)
    layered, least = (
        bound(work, limits) for work in (found.layered_work(batch), found.least_work(batch))
    )
    one_by_one_s = layered_bound(found.layers, limits, batch)
    return {
        "device": device.id,
        "operations_per_s": _value(limits.operations_per_s),
        "memory_bytes_per_s": _value(limits.memory_bytes_per_s),
        "link_bytes_per_s": _value(limits.link_bytes_per_s),
        "u_relative": device.peaks.u_relative if device.peaks else None,
        "arithmetic_s": layered.arithmetic_s,
        "memory_s": layered.memory_s,
        "least_memory_s": least.memory_s,
        "link_s": layered.link_s,
        "bound_by": layered.bound_by,
        "possible_per_s": _rate(least.least_time_s),
        "roofline_per_s": _rate(layered.least_time_s),
        "layer_by_layer_per_s": _rate(one_by_one_s),
    }


def rows(found: Counted, batch: int) -> list[dict[str, str]]:
    """Get a table of the layers at a batch size, what is not known as "?"."""
    return [
        {
            "layer": layer.name,
            "kind": layer.kind,
            "parameters": f"{layer.parameters:,}",
            "MACs": _count(layer.macs),
            "weights": _count(layer.weight_bytes),
            "in": _count(layer.input_bytes),
            "out": _count(layer.output_bytes),
            "OP/byte": _intensity(layer.macs, traffic([layer], batch).total_bytes),
            "memory": {"in-place": "in place", "view": "none"}.get(layer.movement, "moves"),
        }
        for layer in found.layers
    ]


def counts_in_words(told: dict[str, Any]) -> dict[str, str]:
    """Get ``counts`` as facts for a person."""
    facts = {
        "counted in": told["file"],
        "parameters counted": f"{told['parameters']:,}",
        "MACs counted": f"{told['macs']:,}",
        f"traffic, batch {told['batch']}": f"{_mega(told['weight_bytes'] + told['value_bytes'])} "
        f"per inference: weights {_mega(told['weight_bytes'])}, values between layers "
        f"{_mega(told['value_bytes'])}; {_mega(told['least_bytes'])} where caches hold these",
        "intensity": f"{told['operations_per_byte']:.3g} operations per byte",
    }
    if told["unknown_layers"]:
        facts["not counted"] = ", ".join(told["unknown_layers"])
    return facts


def accuracy_in_words(profile: WorkloadProfile) -> dict[str, str]:
    """Get the accuracies that a profile states, with their intervals."""
    lines = []
    for stated in profile.accuracy:
        shares = [wilson(hits, stated.count) for hits in (stated.top1, stated.top5)]
        told = [f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})" for one in shares]
        lines.append(f"top 1 {told[0]}, top 5 {told[1]} of {stated.pictures}")
    return {"accuracy": "\n".join(lines)} if lines else {}


def bounds_in_words(told: dict[str, Any]) -> dict[str, str]:
    """Get ``bounds`` as facts for a person."""
    operations, bandwidth = told["operations_per_s"], told["memory_bytes_per_s"]
    link = told["link_bytes_per_s"]
    known = [
        *([f"{operations / 1e9:,.4g} GOP/s"] if operations else []),
        *([f"{bandwidth / 1e9:.3g} GB/s of memory"] if bandwidth else []),
        *([f"{link / 1e9:.3g} GB/s of the link"] if link else []),
    ]
    if not known:
        return {"roofs": f"the profile of {told['device']} states no peak"}
    facts = {"roofs": f"{told['device']}: {' and '.join(known)}{_uncertain(told)}"}
    if told["bound_by"]:
        facts["bound by"] = (
            f"{told['bound_by']}: {told['memory_s'] * 1e3:.3g} ms for the traffic, "
            f"{told['arithmetic_s'] * 1e3:.3g} ms for the arithmetic"
            + (f", {told['link_s'] * 1e3:.3g} ms for the input on the link" if link else "")
        )
    facts["at most"] = f"{_shown(told['possible_per_s'])} inferences per second, whatever is cached"
    if told["bound_by"]:
        facts["by the roofline"] = (
            f"{_shown(told['roofline_per_s'])} inferences per second with the traffic of all "
            f"layers, {_shown(told['layer_by_layer_per_s'])} where one layer follows the other"
        )
    return facts


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value


def _rate(seconds: float | None) -> float | None:
    return None if not seconds else 1 / seconds


def _uncertain(told: dict[str, Any]) -> str:
    return f" (u = {told['u_relative']:.0%})" if told["u_relative"] else ""


def _shown(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _intensity(macs: int | None, moved_bytes: float) -> str:
    return f"{2 * macs / moved_bytes:.3g}" if macs and moved_bytes else "-"


def _mega(count: float) -> str:
    return f"{count / 1e6:.3g} MB"
