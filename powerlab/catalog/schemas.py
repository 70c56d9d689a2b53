"""The JSON Schema of each kind of file, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any

from powerlab.catalog.bench_profile import LabFile
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.facts import Model
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.workload_profile import WorkloadProfile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MODELS: dict[str, type[Model]] = {
    "instrument": InstrumentProfile,
    "device": DeviceProfile,
    "workload": WorkloadProfile,
    "protocol": ProtocolPreset,
}


def profile_schemas() -> dict[str, dict[str, Any]]:
    """Get one JSON Schema (draft 2020-12) per kind of profile, and "lab" for powerlab.toml."""
    schemas = {kind: _with_extends(_schema(model)) for kind, model in _MODELS.items()}
    schemas["lab"] = _schema(LabFile)
    return schemas


def _schema(model: type[Model]) -> dict[str, Any]:
    return {"$schema": _DIALECT, **model.model_json_schema(by_alias=True)}


def _with_extends(schema: dict[str, Any]) -> dict[str, Any]:
    """Let a file that extends another, or is made of others, leave out what those say."""
    required = schema.pop("required")
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "the id of the profile that says whatever this file does not",
    }
    schema["required"] = ["schema", "id"]
    schema["anyOf"] = [{"required": required}, {"required": ["extends"]}]
    if "composite" in schema["properties"]:
        rest = [key for key in required if key != "power"]
        schema["anyOf"].append({"required": [*rest, "composite"]})
    return schema
