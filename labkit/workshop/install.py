"""Install this workshop where there is no network: python3 install.py

Checks every wheel against manifest.json, then makes two environments beside this file from the wheels alone: .venv for
the notebooks and the hub, label-studio-env for Label Studio. Run again, it makes what is missing. Needs nothing but
Python.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = "Scripts" if os.name == "nt" else "bin"


def check(manifest: dict) -> None:
    """End with a sentence where Python, platform or a wheel is not what the manifest says."""
    asked = tuple(map(int, manifest["python"].split(".")))
    here = sys.version_info[:3]
    if here[:2] != asked[:2] or here < asked:
        minor = ".".join(map(str, asked[:2]))
        sys.exit(
            f"Python must be {minor}, from {manifest['python']} on, instead this is {'.'.join(map(str, here))}. "
            f"Run: python{minor} install.py"
        )
    if sysconfig.get_platform() != manifest["platform"]:
        sys.exit(f"These wheels are for {manifest['platform']}, instead this machine is {sysconfig.get_platform()}.")
    print(f"Checking {len(manifest['wheels'])} wheels ...", flush=True)
    for name, told in manifest["wheels"].items():
        path = HERE / name
        if not path.is_file() or path.stat().st_size != told["size"]:
            sys.exit(f"{name} must have {told['size']} bytes, instead it is missing or cut. Copy the folder again.")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != told["sha256"]:
                sys.exit(f"{name} is damaged: its SHA-256 is not that of manifest.json. Copy the folder again.")


def install(environment: Path, wheels: Path, requirement: str) -> None:
    """Make an environment from wheels alone; one that was made to its end stays."""
    mark = environment / "workshop-installed.txt"
    if mark.is_file() and mark.read_text() == requirement:
        print(f"{environment.name} is there.")
        return
    print(f"Installing {requirement} into {environment.name}. This takes some minutes ...", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / BIN / "python"), "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--find-links", str(wheels), requirement], check=True)
    mark.write_text(requirement)


def main() -> None:
    """Check, then install both."""
    manifest = json.loads((HERE / "manifest.json").read_text())
    check(manifest)
    install(HERE / ".venv", HERE / "wheels", manifest["labkit"])
    if manifest.get("label_studio"):
        install(HERE / "label-studio-env", HERE / "wheels-label-studio", manifest["label_studio"])
    print(f"Ready. Let the people in with:\n  {HERE / '.venv' / BIN / 'labkit'} workshop open {HERE}")


if __name__ == "__main__":
    main()
