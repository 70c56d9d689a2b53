"""Verifying what a path names: a run folder, the report of a run, or that of a procurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from powerlab.catalog.layers import lab_layers
from powerlab.cli._audit_report import rewrite_report
from powerlab.cli._reporting import write_stored_report
from powerlab.errors import ConfigError
from powerlab.store.archive import find_run, run_root
from powerlab.store.manifest import versions
from powerlab.store.run_folder import RESULT
from powerlab.store.verifiable import verifiable_files
from powerlab.verify.audited import AUDIT, verify_audit
from powerlab.verify.compare import ABSENT, Difference, Verification
from powerlab.verify.pdf_file import PdfFile, read_pdf
from powerlab.verify.procurement import DECISION, Redecided, verify_procurement
from powerlab.verify.report import verify_report
from powerlab.verify.run import verify_run
from powerlab.verify.signature import Signature, check_signature, sign

ONE_RUN = "--run goes with the report of a run"


def verified(reference: str, run: str, lab: Path | None) -> tuple[Path, Verification]:
    """Verify a run or a report, and get its path.

    ``run`` refers to the run of a report that does not attach all of it, "" for none. Raises
    ConfigError where it is neither, SetupError where reports cannot be written here.
    """
    path = Path(reference)
    if path.is_file():
        pdf = read_pdf(path)
        if run and DECISION in pdf.attachments:
            raise ConfigError(f"{path} is of a procurement", hint=ONE_RUN)
        kept = verifiable_files(find_run(run, run_root(lab))) if run else {}
        return path, _report(path, pdf, kept, lab)
    if run:
        raise ConfigError(f"{path} is no report", hint=ONE_RUN)
    folder = path if path.is_dir() else find_run(reference, run_root(lab))
    return folder, verify_run(folder).verification


def with_signature(
    found: Verification, path: Path, signers: Path | None, key: Path | None
) -> tuple[Verification, Signature | None]:
    """Sign what agrees where a key is given, and check the signature.

    Raises ConfigError for what cannot be signed, and what ``check_signature`` raises.
    """
    if key is not None:
        if found.outcome != "agrees":
            raise ConfigError(
                f"{path} is not signed: the verification says {found.outcome}",
                hint="verify it without --sign to see why",
            )
        sign(path, key)
    signature = check_signature(path, signers)
    wrong = _wrong(signature, signers)
    if wrong is None:
        return found, signature
    return replace(found, differences=(*found.differences, wrong)), signature


def _wrong(signature: Signature | None, signers: Path | None) -> Difference | None:
    """Get what is wrong with a signature, None where nothing is that was asked for."""
    if signature is None:
        wanted = f"one by a key of {signers}"
        return None if signers is None else Difference("signature", ABSENT, wanted)
    if not signature.valid:
        return Difference("signature", signature.told, "one of this file")
    if signers is not None and not signature.signer:
        return Difference("signature", signature.key, f"one by a key of {signers}")
    return None


def _report(path: Path, pdf: PdfFile, kept: Mapping[str, bytes], lab: Path | None) -> Verification:
    if DECISION in pdf.attachments:
        return verify_procurement(
            pdf, lambda done, made, lang: _write_procurement(done, made, lang, lab)
        )
    if RESULT in pdf.attachments:
        return verify_report(pdf, write_stored_report, kept)
    if AUDIT in pdf.attachments:
        return verify_audit(pdf, rewrite_report)
    raise ConfigError(
        f"{path} attaches none of {RESULT}, {DECISION}, {AUDIT}: it is no report of powerlab",
        hint="give a report as powerlab wrote it; other programs may have dropped what it attaches",
    )


def _write_procurement(done: Redecided, path: Path, lang: str, lab: Path | None) -> None:
    from powerlab.cli._procurement_report import run_evidence  # noqa: PLC0415
    from powerlab.report.procurement import (  # noqa: PLC0415  seconds to import
        ProcurementEvidence,
        write_procurement,
    )

    evidence = ProcurementEvidence(
        plan_name=done.plan_name,
        plan_file=done.content,
        runs=tuple(run_evidence(option, run) for option, run in done.runs.items()),
        versions=versions() if done.versions is None else done.versions,
    )
    write_procurement(done.plan, done.decision, evidence, path, lang, labs=lab_layers(lab))
