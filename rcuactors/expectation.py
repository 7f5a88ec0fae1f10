"""What a scenario promises: which kinds of report come, on each version and build, when it is run as it stands.

`expect=` says it of all kernels at once, of a version and those after it, of a build, or of one kernel: the narrower
word wins. What is not said of a kernel is not promised there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from .builds import BUILDS
from .context.violation import ViolationKind
from .errors import BadInput, bad_value, shown
from .spelling import no_such

CLEAN: Final = "clean"

_DIRECT: Final = "v5.9 direct"
_KINDS: Final = (CLEAN, *(kind.value for kind in ViolationKind))

Row = Mapping[str, str]
"""A build -> 'clean', or the kinds in the order of their first report."""

Expectation = Mapping[str, Row]
"""label of promised_kernels() -> what is promised there."""

Expected = str | Mapping[str, str | Row]
"""What `expect=` takes: 'clean' or kinds, of every kernel; or by version, by build, or by VERSION:BUILD."""


@cache
def promised_kernels() -> Mapping[str, tuple[str, str | None]]:
    """The kernels that every scenario is held to: label -> (kernel, design).

    Every version, and v5.9 also without its exemption for PREEMPT_RT.
    """
    from .eras import ERAS  # noqa: PLC0415 - the whole model; a help text is printed without it

    kernels: dict[str, tuple[str, str | None]] = {}
    for version in ERAS:
        kernels[version] = (version, None)
        if version == "v5.9":
            kernels[_DIRECT] = (version, "direct")
    return kernels


def expectation_of(name: str, expect: object) -> Expectation:
    """What a scenario of that name promises, kernel by kernel: a version that is not named is as the one before it.

    Raises BadInput for what is of another form, and for a version, build or kind that there is not.
    """
    if expect is None or expect == {}:
        return {}
    where = f"scenario {name}: expectation"
    if isinstance(expect, str):
        return dict.fromkeys(promised_kernels(), _every_build(where, expect))
    if not isinstance(expect, Mapping):
        raise bad_value(f"{where} {shown(expect)}", "kinds of report, or these by version or build")
    by_version, by_build, by_kernel = dict[str, Row](), dict[str, str](), dict[tuple[str, str], str]()
    for key, said in expect.items():
        label, colon, build = str(key).partition(":")
        if key in BUILDS:
            by_build[key] = _kinds(f"{where} for {key}", said)
        elif label not in promised_kernels():
            raise no_such(f"{where} for", str(key), (*promised_kernels(), *BUILDS))
        elif colon:
            by_kernel[label, _build(f"{where} for {label}:", build)] = _kinds(f"{where} for {key}", said)
        else:
            by_version[label] = _row(f"{where} for {label}", said)
    return _whole(by_version, by_build, by_kernel)


def _whole(by_version: Mapping[str, Row], by_build: Row, by_kernel: Mapping[tuple[str, str], str]) -> dict[str, Row]:
    whole: dict[str, Row] = {}
    before: Row = {}
    for label in promised_kernels():
        if label == _DIRECT:
            said = by_version.get(label, {})
        else:
            said = before = by_version.get(label, before)
        alone = {build: text for (kernel, build), text in by_kernel.items() if kernel == label}
        if row := {**by_build, **said, **alone}:
            whole[label] = row
    return whole


def _row(where: str, said: object) -> Row:
    if isinstance(said, str):
        return _every_build(where, said)
    if not isinstance(said, Mapping):
        raise bad_value(f"{where} {shown(said)}", "kinds of report, or these by build")
    return {_build(f"{where},", build): _kinds(f"{where}, {build}", text) for build, text in said.items()}


def _every_build(where: str, said: str) -> Row:
    return MappingProxyType(dict.fromkeys(BUILDS, _kinds(where, said)))


def _build(where: str, build: object) -> str:
    if build not in BUILDS:
        raise no_such(where, str(build), BUILDS)
    return str(build)


def _kinds(where: str, said: object) -> str:
    """Raises BadInput unless it is 'clean', or kinds, each once."""
    if not isinstance(said, str):
        raise bad_value(
            f"{where}: {shown(said)}", "'clean', or kinds of report such as 'invalid-wait-context, deadlock'"
        )
    kinds = said.split(", ")
    for kind in kinds:
        if kind not in _KINDS or (kind == CLEAN and len(kinds) > 1):
            raise no_such(f"{where}:", kind, _KINDS, wrong="no kind of report" if kind not in _KINDS else "alone only")
    if len(set(kinds)) < len(kinds):
        raise BadInput(f"{where}: {said}: a kind stands there twice")
    return said


def promised(expect: Expectation, version: str, build: str, design: str | None = None) -> str | None:
    """What is promised of that kernel; None where nothing is.

    With every check (`all`) it is what it is with `prove`, unless that is said by itself.
    """
    label = next((label for label, kernel in promised_kernels().items() if kernel == (version, design)), "")
    row = expect.get(label, {})
    return row.get(build, row.get("prove") if build == "all" else None)


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds that such a text names."""
    return tuple(text.split(", ")) if text != CLEAN else ()
