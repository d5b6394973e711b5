#!/bin/sh
# Makes .venv with the locked dependencies. As root it installs the Debian package that Python's venv needs; else it says which line to type.
set -eu
cd "$(dirname "$0")"
python=${1:-python3}

need() { # need PACKAGE WHY: install a Debian package, or say how
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $1 ($2)"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null 2>&1 ||
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null; }
    else
        echo "hemostat needs $1 ($2). Type:  sudo apt-get install $1" >&2
        exit 1
    fi
}

command -v "$python" >/dev/null || need python3 "it is a Python program"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "hemostat needs Python 3.11 or newer; $python is $("$python" -V). Name another: make drill PYTHON=python3.11" >&2; exit 1; }
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv "for its own environment"

[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "installing the locked dependencies into .venv (about a minute the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch .venv/ready
