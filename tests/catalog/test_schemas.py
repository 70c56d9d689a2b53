"""The published JSON Schemas."""

from __future__ import annotations

import json
import tomllib

import pytest

from powerlab.catalog.layers import FOLDERS, builtin_lab
from powerlab.catalog.schemas import profile_schemas


def test_there_is_a_schema_for_each_kind_of_file() -> None:
    """Every kind that a folder holds has one, and the lab file."""
    assert set(profile_schemas()) == {*FOLDERS, "lab"}


@pytest.mark.parametrize("kind", [*FOLDERS, "lab"])
def test_a_schema_is_json_and_refuses_unknown_keys(kind) -> None:
    """A schema can be written to a file, names its dialect and the key ``schema``."""
    schema = json.loads(json.dumps(profile_schemas()[kind]))
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["properties"]["schema"]["const"] == 1
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_schema_knows_every_key_of_the_shipped_files(kind) -> None:
    """What is shipped uses only keys that the schema has, and all that it requires."""
    schema = profile_schemas()[kind]
    files = sorted((builtin_lab() / FOLDERS[kind]).glob("*.toml"))
    assert files
    for path in files:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(table) <= set(schema["properties"])
        assert any(set(way["required"]) <= set(table) for way in schema["anyOf"])


def test_a_file_that_extends_needs_only_its_own_names() -> None:
    """With ``extends`` a schema asks for no more than ``schema`` and ``id``."""
    schema = profile_schemas()["device"]
    assert schema["required"] == ["schema", "id"]
    assert {"required": ["extends"]} in schema["anyOf"]
