# Two commands for a newcomer: `make drill` and `make test`. Everything they need is installed by bootstrap.sh into .venv.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: drill test fast crash check format kerberos lock bench clean

drill: .venv/ready
	$(BIN)/hemostat drill $(ARGS)

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile --reruns 1 $(ARGS)

# The pure ones, without laboratories, Prefect, browser or namespaces: under a minute.
fast: .venv/ready
	$(BIN)/python -m pytest -m "not lab and not range and not browser" $(ARGS)

# SIGKILL at every journal boundary, each on a range of its own: about 18 minutes. `make test` has one incident that dies 94 times.
crash: .venv/ready
	HEMOSTAT_CRASH=all HEMOSTAT_BURST=all $(BIN)/python -m pytest tests/crash tests/serve/test_burst.py $(ARGS)

# The WinRM login by Kerberos, against a KDC of its own. Root: it installs Debian's packages and builds pykerberos, which `make test` must not need.
kerberos: .venv/ready
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends krb5-kdc krb5-admin-server krb5-user libkrb5-dev gcc libc6-dev
	$(BIN)/python -m pip install --quiet 'pykerberos>=1.2.4,<2' 'gssapi>=1.9,<2' 'krb5>=0.7,<1'
	$(BIN)/python -m pytest -rs tests/transports/test_winrm_kerberos.py $(ARGS)

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.powershell
	$(BIN)/hemostat check

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Exact versions with hashes, for every platform, without the address of any registry.
lock: .venv/ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url --universal \
	  --python-version 3.11 --custom-compile-command "make lock" --quiet --output-file requirements.lock

bench: .venv/ready
	$(BIN)/python -m tests.bench $(ARGS)

.venv/ready: requirements.lock pyproject.toml bootstrap.sh
	./bootstrap.sh $(PYTHON)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
