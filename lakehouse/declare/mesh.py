"""What does a whole mesh declare? `domains/` -> `Declarations`.

Next: `crosscheck.py` holds its parts against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lakehouse.declare import Declarations, coherence, crosscheck, domain, products
from lakehouse.declare.contract import Place
from lakehouse.declare.findings import Findings
from lakehouse.declare.product import Domain, Team
from lakehouse.declare.products import Folder


def read(root: Path) -> Declarations:
    """Read all declarations below `root` and check them; problems are part of the answer."""
    findings = Findings()
    domains: dict[str, Domain] = {}
    folders: list[Folder] = []
    for path in _folders(root / "domains"):
        found = domain.read(path, root, findings)
        if found is not None:
            domains[found.name] = found
        folders += [products.read(p, root, found or _unknown(path, root)) for p in _folders(path) if _is_product(p, root, findings)]
    for folder in folders:
        if folder.product is not None:
            coherence.check(folder, folder.product, root)
    crosscheck.check(folders)
    whole = {f.address: f.product for f in folders if f.product is not None and not f.findings.failed and f.address.domain in domains}
    return Declarations(
        root=root,
        domains=domains,
        products=whole,
        problems=tuple(sorted(p for f in (findings, *(f.findings for f in folders)) for p in f.problems)),
        broken=frozenset(f.address for f in folders if f.address not in whole),
    )


def _folders(path: Path) -> Iterator[Path]:
    """The folders in `path`, by name; hidden and private ones are nobody's declarations."""
    if path.is_dir():
        yield from sorted(p for p in path.iterdir() if p.is_dir() and p.name[0] not in "._")


def _is_product(folder: Path, root: Path, findings: Findings) -> bool:
    if (folder / products.FILE).exists():
        return True
    if any(folder.glob("*.yaml")):
        findings.error(Place(file=folder.relative_to(root).as_posix()), f"has no {products.FILE}", "write one, or move the files away")
    return False


def _unknown(folder: Path, root: Path) -> Domain:
    """Stands in for a domain whose file is broken, so that its products' own problems are found too."""
    return Domain(name=folder.name, team=Team(name=""), purpose="", place=Place(file=folder.relative_to(root).as_posix()))
