"""A run folder against itself: files by their hashes, the result by concluding anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from powerlab import __version__
from powerlab.analysis.conclude import conclude
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.reading import check
from powerlab.circumstances import latest_price
from powerlab.errors import ConfigError, PowerlabError, ProfileError
from powerlab.records import Capture, Evidence, Request, Result
from powerlab.store.archive import StoredRun, is_unfinished, open_run
from powerlab.store.document import stored_document
from powerlab.store.manifest import BROKEN, COMPLETE, MANIFEST, PARTIAL, read_manifest
from powerlab.store.run_folder import RESULT, SAMPLES
from powerlab.store.serial import from_plain
from powerlab.store.verifiable import VERIFIABLE
from powerlab.verify.compare import ABSENT, RELATIVE, Check, Difference, Verification, compare
from powerlab.verify.imported import IMPORTED, audited_anew, originals_changed
from powerlab.verify.versions import largest_shift, of_method, versions_told

RECOVERED = "recovered"
"""The finding that `results recover` puts before those of the capture."""

SIGNATURE_SUFFIX = ".sig"

STATES = (COMPLETE, PARTIAL, BROKEN)

UNUSABLE = (
    *(ArithmeticError, AttributeError, LookupError, NotImplementedError, OSError),
    *(RecursionError, TypeError, ValueError, PowerlabError),
)
"""What reading or concluding raises for data that nothing wrote as they are."""


@dataclass(frozen=True, slots=True)
class VerifiedRun:
    """A run's verification, and the run itself where it could be read."""

    verification: Verification
    run: StoredRun | None


def verify_run(folder: Path) -> VerifiedRun:
    """Check every file's SHA-256, conclude anew from the capture, compare every figure.

    Raises ConfigError where the folder is no run, or one that is not closed yet.
    """
    manifest = read_manifest(folder)
    if manifest.get("status") not in STATES or is_unfinished(folder):
        raise ConfigError(
            f"the run {manifest.get('run')} in {folder} is not closed yet",
            hint="let the measurement end, or finish what is left over: powerlab results recover",
        )
    hashes, strangers = _hashes(folder, manifest)
    stored, differences, concluded, unchecked = _concluded(folder)
    count = len(_files(manifest))
    checks = [Check("files", f"{count} of the manifest, by SHA-256")]
    if concluded is not None:
        checks.append(concluded)
    return VerifiedRun(
        Verification(
            kind="run",
            subject=str(manifest.get("run")),
            checks=tuple(checks),
            differences=(*hashes, *differences),
            unchecked=(*unchecked, *strangers),
            recomputed=concluded is not None,
        ),
        stored,
    )


def _files(manifest: Mapping[str, Any]) -> dict[str, Any]:
    files = manifest.get("files")
    return files if isinstance(files, dict) else {}


def _hashes(folder: Path, manifest: Mapping[str, Any]) -> tuple[list[Difference], list[str]]:
    """Get the files that are not as the manifest says, and what to say of further ones."""
    stated = {
        name: str(facts.get("sha256")) if isinstance(facts, dict) else ABSENT
        for name, facts in _files(manifest).items()
    }
    present = {path.name: path for path in folder.iterdir() if path.is_file()}
    found = {name: _sha256(path) for name, path in present.items()}
    differences = [
        Difference(f"{name} sha256", sha256, found.get(name, ABSENT))
        for name, sha256 in stated.items()
        if found.get(name) != sha256
    ]
    extra = sorted(found.keys() - stated.keys() - {MANIFEST, MANIFEST + SIGNATURE_SUFFIX})
    differences += [
        Difference(f"{name} sha256", ABSENT, found[name]) for name in extra if name in VERIFIABLE
    ]
    return differences, [
        f"{name} is not in the manifest" for name in extra if name not in VERIFIABLE
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _concluded(
    folder: Path,
) -> tuple[StoredRun | None, tuple[Difference, ...], Check | None, tuple[str, ...]]:
    """Get the run, how its result differs from that of its capture, and what was not told."""
    try:
        stored = open_run(folder)
    except UNUSABLE as error:
        return None, (Difference("run", str(error), "a run that can be read"),), None, ()
    if stored.result is None or stored.capture is None or stored.document is None:
        lacking = RESULT if stored.result is None else SAMPLES
        return stored, (), None, (f"the run has no {lacking}: there is nothing to recompute",)
    imported = stored.result.evidence is Evidence.IMPORTED
    wrote = str(stored.manifest.get("versions", {}).get("powerlab", "of no version"))
    try:
        if imported:
            kept = stored.manifest["configuration"][IMPORTED]
            changed, missing = originals_changed(kept)
            if changed or missing:
                return stored, tuple(changed), None, tuple(missing)
            told, recomputed = audited_anew(stored, stored.result, kept)
        else:
            told = dict(stored.document)
            recomputed = _document(stored, stored.document, stored.result, stored.capture)
        compared = compare(told, recomputed)
    except UNUSABLE as error:
        why = f"no result can be concluded: {error}"
        return stored, of_method([Difference(RESULT, "a result", why)], wrote), None, ()
    against = "originals audited anew" if imported else "capture concluded anew"
    check_ = Check(
        "result",
        f"{compared.values} values of {RESULT} against the {against} (within {RELATIVE:g} of each)",
    )
    evidence = _evidence(stored.manifest, recomputed)
    found = of_method(_told_once(compared.differences), wrote)
    unchecked = list(_untold(stored))
    if wrote != __version__:
        unchecked.append(versions_told(wrote, len(found), largest_shift(told, recomputed)))
    return stored, (*evidence, *found), check_, tuple(unchecked)


def _document(
    stored: StoredRun, document: Mapping[str, Any], result: Result, capture: Capture
) -> dict[str, Any]:
    """Get the document of the capture concluded anew, as it comes back from a file."""
    manifest = stored.manifest
    device, problems = check(
        DeviceProfile, manifest["configuration"].get("device", {}), stored.folder / MANIFEST
    )
    if device is None:
        raise ProfileError(problems, hint="")
    anew, _ = conclude(
        capture,
        run=manifest["run"],
        request=from_plain(Request, manifest["request"]),
        price=latest_price(device),
    )
    whole = manifest["status"] == COMPLETE
    before = () if whole else tuple(f for f in result.findings[:1] if f.code == RECOVERED)
    anew = replace(anew, findings=(*before, *anew.findings), truth=result.truth)
    recomputed = stored_document(
        anew,
        created=manifest["created"],
        versions=manifest["versions"] if whole else document.get("versions", {}),
        target=capture.target,
    )
    plain: dict[str, Any] = json.loads(json.dumps(recomputed, allow_nan=False))
    return plain


def _evidence(manifest: Mapping[str, Any], recomputed: Mapping[str, Any]) -> tuple[Difference, ...]:
    told, found = manifest.get("evidence"), recomputed["evidence"]
    return () if told == found else (Difference(f"{MANIFEST} evidence", told, found),)


def _told_once(differences: tuple[Difference, ...]) -> Iterator[Difference]:
    """Pass over what the exact record repeats of a difference in the document itself."""
    told = {
        (repr(item.stored), repr(item.recomputed))
        for item in differences
        if not item.key.startswith("detail.")
    }
    for item in differences:
        repeated = (repr(item.stored), repr(item.recomputed)) in told
        if not (item.key.startswith("detail.") and repeated):
            yield item


def _untold(stored: StoredRun) -> Iterator[str]:
    """Say what of a result no capture holds."""
    if stored.result is not None and stored.result.truth is not None:
        yield "the truth of the emulated world: only the emulation knew it"
    if stored.manifest["status"] != COMPLETE:
        yield f"why the run was cut short: {stored.manifest.get('reason', 'not told')}"
