"""Writes a software bill of materials: what the package needs at run time, as CycloneDX in JSON.

Run `python -m session_pipeline_tests.sbom FILE` in the environment to describe. The components are the installed
versions of what session_pipeline requires, and of what these require, without the extras for tests and development. The
file is checked against the schema of CycloneDX. It has no time and no random number, so equal environments give equal
files.
"""

import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "session_pipeline"


def bill_of_materials(root: str = ROOT) -> str:
    """Return the bill of materials of an installed package, as CycloneDX 1.6 in JSON.

    Raises:
        PackageNotFoundError: A required package is not installed.
    """
    found: dict[str, Component] = {}
    needs: dict[str, list[str]] = {}
    waiting = [(canonicalize_name(root), frozenset[str]())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        package = distribution(name)
        found[name] = found.get(name) or _component(package, is_root=not needs)
        needs.setdefault(name, [])
        for needed, its_extras in _required(package, extras):
            needs[name].append(needed)
            if (needed, its_extras) not in seen:
                seen.add((needed, its_extras))
                waiting.append((needed, its_extras))
    own = found.pop(canonicalize_name(root))
    bom = Bom(components=found.values())
    bom.metadata.component = own
    for name, component in {canonicalize_name(root): own, **found}.items():
        bom.register_dependency(component, [found[needed] for needed in set(needs[name]) if needed in found])
    text = JsonV1Dot6(_without_chance(bom)).output_as_string(indent=2)
    return text + "\n"


def problem_of(text: str) -> str | None:
    """Return why a text is not CycloneDX 1.6; None if it is."""
    from cyclonedx.validation.json import JsonStrictValidator  # takes seconds to load

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return None if error is None else str(error)


def _required(package: Distribution, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Return what a package with some extras requires on this machine, with the extras of each."""
    found = []
    for text in package.requires or ():
        requirement = Requirement(text)
        environments = [{"extra": extra} for extra in (extras or {""})]
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            found.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def _component(package: Distribution, *, is_root: bool) -> Component:
    name, facts = package.metadata["Name"], package.metadata
    component = Component(
        name=name,
        version=package.version,
        type=ComponentType.APPLICATION if is_root else ComponentType.LIBRARY,
        bom_ref=f"{canonicalize_name(name)}@{package.version}",
        purl=PackageURL("pypi", None, canonicalize_name(name), package.version),
        description=facts.get("Summary"),
    )
    if expression := facts.get("License-Expression"):
        component.licenses.add(LicenseExpression(expression))
    elif (license_name := facts.get("License")) and len(license_name) < 100 and "\n" not in license_name:
        component.licenses.add(DisjunctiveLicense(name=license_name))
    return component


def _without_chance(bom: Bom) -> Bom:
    """Remove the time and the random serial number."""
    bom.serial_number = None  # type: ignore[assignment]
    bom.metadata.timestamp = None  # type: ignore[assignment]
    return bom


def main(path: Path) -> None:
    """Write the file; exit with an error if it is not CycloneDX."""
    text = bill_of_materials()
    if problem := problem_of(text):
        sys.exit(f"the bill of materials is not CycloneDX 1.6: {problem}")
    path.write_text(text, encoding="utf-8")
    count = text.count('"purl"') - 1
    print(f"{path}: session_pipeline and {count} packages that it needs")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("write the file: python -m session_pipeline_tests.sbom sbom.json")
    main(Path(sys.argv[1]))
