"""What comes with the package besides its code, scenarios and documentation: inside a wheel, beside a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent.parent


def shipped_folder(name: str) -> Path | None:
    """Find where they are: the wheel carries them inside the package, a checkout has them beside it."""
    inside, beside = PACKAGE / f"_{name}", PACKAGE.parent / name
    if inside.is_dir():
        return inside
    # Beside an installed package, a folder of that name would be somebody else's.
    return beside if beside.is_dir() and (PACKAGE.parent / "pyproject.toml").is_file() else None


def find_pages() -> dict[str, Path]:
    """The pages of the documentation, name -> file, sorted by name."""
    folder = shipped_folder("docs")
    pages = folder.glob("*.md") if folder is not None else ()
    return dict(sorted((file.stem, file) for file in pages))
