"""Make the site: every page, every notebook with its outputs, a gallery and the public names. ``make docs``.

Notebooks are run here, from the top, in a copy of the repository's layout below ``build/docs/source``: those that were
run to their end are not run again until they change. The pages are built by Sphinx and every link between them is
looked at; links to the outside only with ``--external``, which needs a network. Nothing of it is committed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from site_links import broken_links, outside_links, unreachable
from tqdm.auto import tqdm

import labkit as lk

ROOT = Path(__file__).resolve().parents[1]

#: Parts whose public names have a page, in the order of the flow.
PARTS = ("read", "simulate", "stack", "chip", "label", "train", "detect", "maps", "view", "studies", "region")
FLOOR = ("schema", "geo")

_PAGES = ("README.md", "CHANGELOG.md", "docs/*.md", "benchmarks/README.md", "data/README.md")

#: Linked by pages, and handed on as they are.
_FILES = ("CITATION.cff", "LICENSE", "environment.yml", "labkit/schema.py", "labkit/geo.py", "docs/images/*.png")

#: How long one notebook may run, s.
_LONGEST = 1800


def lay_out(source: Path, notebooks: list[Path]) -> None:
    """Copy pages and files as they lie in the repository, so that their links hold."""
    for pattern in (*_PAGES, *_FILES):
        for path in sorted(ROOT.glob(pattern)):
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            if path.suffix == ".md":  # the README becomes the first page
                target.write_text(target.read_text().replace("](../README.md)", "](../index.md)"))
    shutil.copytree(ROOT / "notebooks" / "tables", source / "notebooks" / "tables", dirs_exist_ok=True)
    shutil.copyfile(ROOT / "docs" / "site_settings.py", source / "conf.py")
    shutil.copyfile(ROOT / "docs" / "site.css", source / "site.css")
    wanted = {path.relative_to(ROOT) for path in notebooks}
    for old in source.glob("notebooks/**/*.ipynb"):
        if old.relative_to(source) not in wanted:
            old.unlink()


def run(notebook: Path, source: Path) -> None:
    """Run one notebook from the top and keep it with its outputs, unless that was done and it is the same since."""
    target = source / notebook.relative_to(ROOT)
    mark = source.parent / "ran" / f"{notebook.relative_to(ROOT).as_posix().replace('/', '-')}.sha256"
    content = hashlib.sha256(notebook.read_bytes()).hexdigest()
    if target.exists() and mark.exists() and mark.read_text() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    mark.parent.mkdir(parents=True, exist_ok=True)
    book = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        book, timeout=_LONGEST, kernel_name="python3", resources={"metadata": {"path": str(target.parent)}}
    )
    client.execute(env=os.environ | {"LABKIT_HOME": str(source.parent / "home"), "JUPYTER_PREFER_ENV_PATH": "1"})
    book.metadata.pop("widgets", None)  # sliders live only where a kernel does
    partial = target.with_suffix(".part")
    nbformat.write(book, partial)
    partial.replace(target)
    mark.write_text(content)


def write_gallery(source: Path, notebooks: list[Path]) -> None:
    """Write the page of notebooks: what each one shows, with its first picture."""
    words = ["# Gallery", "", "What each notebook is about, with its first picture where that is one.", ""]
    pictures = source / "pictures"
    pictures.mkdir(exist_ok=True)
    for notebook in notebooks:
        place = notebook.relative_to(ROOT).as_posix()
        book = nbformat.read(source / place, as_version=4)
        title, _, rest = book.cells[0].source.partition("\n")
        seen = rest.strip().split("\n\n")[0].replace("\n", " ").split("**It needs**")[0]
        words += [f"## [{title.lstrip('# ')}]({place})", "", seen, ""]
        picture = _first_picture(book)
        if picture:
            name = f"{notebook.stem}.png"
            (pictures / name).write_bytes(picture)
            words += [f"```{{image}} pictures/{name}", ":width: 620px", f":target: {place.replace('.ipynb', '.html')}"]
            words += [f":alt: {title.lstrip('# ')}", "```", ""]
    (source / "gallery.md").write_text("\n".join(words))


def _first_picture(book: nbformat.NotebookNode) -> bytes | None:
    from base64 import b64decode

    for cell in book.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return b64decode(output["data"]["image/png"])
    return None


def write_names(source: Path) -> list[str]:
    """Write a page for each part with all its public names, and a table of what ``lk`` itself has; give the pages."""
    folder = source / "names"
    folder.mkdir(exist_ok=True)
    homes: dict[str, str] = {}
    for part in (*PARTS, *FLOOR):
        module = import_module(f"labkit.{part}")
        public = list(getattr(module, "__all__", ())) or _defined_in(module)
        (folder / f"{part}.md").write_text(_page(f"labkit.{part}", module, public))
        homes |= {name: part for name in public if name not in homes}
    rows, here = [], []
    for name in lk.__all__:
        thing = getattr(lk, name)
        first = (thing.__doc__ or "").strip().partition("\n")[0] if name != "__version__" else "The version."
        where = name if name in (*PARTS, *FLOOR) else homes.get(name, "")
        link = f"[`lk.{name}`]({where}.md)" if where else f"`lk.{name}`"
        rows.append(f"| {link} | {first} |")
        here += [name] if not where and name != "__version__" else []
    listing = "\n".join(["| name | what it gives |", "|---|---|", *rows])
    own = _page("labkit", lk, here).partition("\n")[2]
    (folder / "index.md").write_text(f"# Public names\n\n`import labkit as lk`\n\n{listing}\n{own}")
    return ["names/index", *(f"names/{part}" for part in (*PARTS, *FLOOR))]


def _defined_in(module: object) -> list[str]:
    home = getattr(module, "__name__", "")
    names = [name for name in vars(module) if not name.startswith("_")]
    return [name for name in names if getattr(getattr(module, name), "__module__", None) == home]


def _page(path: str, module: object, public: list[str]) -> str:
    words = [f"# {path}", "", (getattr(module, "__doc__", "") or "").strip().partition("\n")[0], "", "```{eval-rst}"]
    for name in public:
        thing = getattr(module, name)
        kind = "class" if isinstance(thing, type) else "function" if callable(thing) else "data"
        words += [f".. auto{kind}:: {path}.{name}", *(["   :members:"] if kind == "class" else []), ""]
    return "\n".join([*words, "```", ""])


def write_index(source: Path, notebooks: list[Path], names: list[str]) -> None:
    """Make the README the first page, with the way to all others beside it."""
    readme = (source / "README.md").read_text()
    (source / "README.md").unlink()
    pages = sorted(f"docs/{path.stem}" for path in (source / "docs").glob("*.md"))
    books = [path.relative_to(ROOT).with_suffix("").as_posix() for path in notebooks]
    parts = {
        "Notebooks": ["gallery", *books],
        "Reading": [*pages, "benchmarks/README", "data/README", "CHANGELOG"],
        "Public names": names,
    }
    trees = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *entries, "```", ""])
        for title, entries in parts.items()
    ]
    (source / "index.md").write_text(f"{readme}\n" + "\n".join(trees))


def main() -> None:
    """Run, write, build, and look at the links."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="*", help="notebooks by the beginning of their names; default all")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs", help="where the site goes")
    parser.add_argument("--external", action="store_true", help="look at links to the outside, too")
    asked = parser.parse_args()
    found = sorted((ROOT / "notebooks").rglob("[0-9c]*.ipynb"))
    notebooks = [
        path
        for path in found
        if not {"results", ".ipynb_checkpoints"} & set(path.parts)
        and (asked.only is None or path.stem.startswith(tuple(asked.only)))
    ]
    source, site = asked.out.absolute() / "source", asked.out.absolute() / "site"
    source.mkdir(parents=True, exist_ok=True)
    lay_out(source, notebooks)
    with tqdm(notebooks, desc="Notebooks", unit="notebook") as bar:
        for notebook in bar:
            bar.set_postfix_str(notebook.stem)
            run(notebook, source)
    write_gallery(source, notebooks)
    write_index(source, notebooks, write_names(source))
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(site)], check=True)
    broken = broken_links(site)
    if asked.only is not None:  # a notebook that was left out is no page
        broken = [words for words in broken if not words.endswith(".ipynb")]
    if broken:
        sys.exit("These links lead nowhere:\n" + "\n".join(broken))
    if asked.external:
        lost = unreachable(outside_links(site))
        if lost:
            sys.exit("These addresses did not answer:\n" + "\n".join(lost))
    else:
        print("Links to the outside were not looked at: --external does, where there is a network.")
    print(f"The site is {site / 'index.html'}; all links between its pages hold.")


if __name__ == "__main__":
    main()
