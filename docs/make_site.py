"""Make the site: every page, every notebook with its outputs, a gallery and the public names. ``make docs``.

Notebooks are run here, from the top, in a copy of the repository's layout below ``build/docs/source``: those that were
run to their end are not run again until they change. The pages are built by Sphinx and every link between them is
looked at; links to the outside only with ``--external``, which needs a network. Nothing of it is committed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from site_links import answers, broken_links, outside_links, unreachable
from site_pictures import browser, take_pictures
from tqdm.auto import tqdm

import labkit as lk

ROOT = Path(__file__).resolve().parents[1]

#: Parts whose public names have a page, in the order of the flow.
PARTS = (
    "read", "simulate", "stack", "chip", "label", "train", "detect", "maps", "view", "studies", "region", "course",
)  # fmt: skip
FLOOR = ("schema", "geo")

_PAGES = ("README.md", "CHANGELOG.md", "docs/*.md", "benchmarks/README.md", "data/README.md")

#: Linked by pages, and handed on as they are.
_FILES = ("CITATION.cff", "LICENSE", "environment.yml", "labkit/schema.py", "labkit/geo.py", "docs/images/*.png")

#: How long one notebook may run, s.
_LONGEST = 1800

_WIDGET = "application/vnd.jupyter.widget-view+json"

#: A bar of tqdm in words.
_BAR = re.compile(r"\d+%\||\[\d\d:\d\d[,<]")

_NO_BROWSER = "a browser draws them, and there is none here. Install Chromium, or name one in LABKIT_CHROMIUM."


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
    as_a_page(book)
    partial = target.with_suffix(".part")
    nbformat.write(book, partial)
    partial.replace(target)
    mark.write_text(content)


def as_a_page(book: nbformat.NotebookNode) -> None:
    """Put words in the place of what lives only where a kernel does: maps, sliders; bars of progress go."""
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        kept = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.pop(_WIDGET, None) is None:
                kept.append(output)
            elif not _BAR.search(data.get("text/plain", "")):
                what = (
                    "A map to move and zoom" if data.get("text/plain", "").startswith("Map(") else "Sliders and buttons"
                )
                data["text/html"] = f'<p class="alive">{what}: alive in JupyterLab, where a kernel runs.</p>'
                kept.append(output)
        if "outputs" in cell:
            cell.outputs = kept


def write_gallery(source: Path, notebooks: list[Path], pictures: list[str]) -> None:
    """Write the page of notebooks: what each one shows, with its first figure where ``pictures`` names it."""
    words = ["# Gallery", "", "What each notebook is about, with its first figure.", ""]
    if not browser():
        words += [f"The figures are missing: {_NO_BROWSER}", ""]
    for notebook in notebooks:
        place = notebook.relative_to(ROOT).as_posix()
        book = nbformat.read(source / place, as_version=4)
        title, _, rest = book.cells[0].source.partition("\n")
        seen = rest.strip().split("\n\n")[0].replace("\n", " ").split("**It needs**")[0].split("**You need**")[0]
        words += [f"## [{title.lstrip('# ')}]({place})", "", seen, ""]
        if notebook.stem in pictures:
            words += [f"```{{image}} pictures/{notebook.stem}.png", ":width: 620px"]
            words += [f":target: {place.replace('.ipynb', '.html')}", f":alt: {title.lstrip('# ')}", "```", ""]
    (source / "gallery.md").write_text("\n".join(words))


def build(source: Path, site: Path) -> None:
    """Build the pages; what has not changed since the last time is left as it is."""
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(site)], check=True)


def draw_gallery(source: Path, site: Path, notebooks: list[Path]) -> None:
    """Take pictures of the figures on the built pages, and build the gallery with them."""
    if not browser():
        print(f"The gallery has no pictures: {_NO_BROWSER}")
        return
    folder = source / "pictures"
    folder.mkdir(exist_ok=True)
    pages = {path.stem: site / path.relative_to(ROOT).with_suffix(".html") for path in notebooks}
    write_gallery(source, notebooks, take_pictures(pages, folder))
    build(source, site)


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
        option = "   :members:" if kind == "class" else "   :no-value:" if kind == "data" and _is_long(thing) else ""
        words += [f".. auto{kind}:: {path}.{name}", *([option] if option else []), ""]
    return "\n".join([*words, "```", ""])


def _is_long(thing: object) -> bool:
    """Whether a value would fill its page: tables, and the course's exercises with their solutions."""
    return len(repr(thing)) > 200


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
    if asked.external and not answers(_addresses()):
        sys.exit("--external needs a network, and no host outside answers from here: leave it out")
    source, site = asked.out.absolute() / "source", asked.out.absolute() / "site"
    source.mkdir(parents=True, exist_ok=True)
    lay_out(source, notebooks)
    with tqdm(notebooks, desc="Notebooks", unit="notebook") as bar:
        for notebook in bar:
            bar.set_postfix_str(notebook.stem)
            run(notebook, source)
    write_gallery(source, notebooks, [])
    write_index(source, notebooks, write_names(source))
    build(source, site)
    draw_gallery(source, site, notebooks)
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


def _addresses() -> list[str]:
    """Addresses of other hosts in the pages, to see early whether there is a network."""
    words = "\n".join(path.read_text() for pattern in _PAGES for path in sorted(ROOT.glob(pattern)))
    return re.findall(r"https?://[^\s)>\]\"'`]+", words)


if __name__ == "__main__":
    main()
