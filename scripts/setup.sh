#!/usr/bin/env bash
# Makes a fresh machine ready for `make demo`, `make test`, `make bench`, `make fuzz` or `make mutants`: checks each tool,
# installs what it can (Debian as root), and otherwise says exactly what to install.
set -euo pipefail

goal=${1:?usage: setup.sh demo|test|bench|fuzz|mutants}
rust_wanted=1.95
missing=()

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

on_debian_as_root() { [ "$(id -u)" = 0 ] && have apt-get; }

# need TOOL DEBIAN-PACKAGE: present, or installed, or put on the list of what is missing.
need() {
  have "$1" && return
  if on_debian_as_root; then
    say "installing $2 (for $1)"
    [ -n "${apt_updated:-}" ] || { apt-get update -qq; apt_updated=1; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
    have "$1" && return
  fi
  missing+=("$1 (on Debian: apt-get install $2)")
}

# need_venv: Python's module for environments, which Debian packs by itself.
need_venv() {
  python3 -c 'import ensurepip, venv' 2>/dev/null && return
  if have python3 && on_debian_as_root; then
    say "installing python3-venv"
    [ -n "${apt_updated:-}" ] || { apt-get update -qq; apt_updated=1; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    python3 -c 'import ensurepip, venv' 2>/dev/null && return
  fi
  missing+=("Python's module venv (on Debian: apt-get install python3-venv)")
}

# need_postgres: the programs of a database server, which lie outside the path. The package would start a server of its own on
# this machine; tests bring theirs.
need_postgres() {
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return
  say "installing postgresql"
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  [ -n "${apt_updated:-}" ] || { apt-get update -qq; apt_updated=1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return
  missing+=("PostgreSQL (on Debian: apt-get install postgresql)")
}

# need_plain: the way to sign in at a relay with user and password, a plug-in without a command.
need_plain() {
  compgen -G '/usr/lib/*/sasl2/libplain.so' >/dev/null && return
  say "installing libsasl2-modules"
  [ -n "${apt_updated:-}" ] || { apt-get update -qq; apt_updated=1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libsasl2-modules >/dev/null
  compgen -G '/usr/lib/*/sasl2/libplain.so' >/dev/null && return
  missing+=("SASL's PLAIN (on Debian: apt-get install libsasl2-modules)")
}

# cargo_tool COMMAND CRATE: a cargo subcommand, built into the cache folder if it is not there.
cargo_tool() {
  have "$1" && return
  say "building $2 into the cache folder, once"
  CARGO_TARGET_DIR="$WAXWING_TOOLS/build" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=false \
    CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --quiet --locked --root "$WAXWING_TOOLS" "$2"
  rm -rf "$WAXWING_TOOLS/build"
}

need cc gcc
need make make
# A library below the balancer is built with it.
need cmake cmake
if [ "$goal" = test ]; then
  need git git
  need openssl openssl
  need python3 python3
  need_venv
  # The tests of power loss watch a server with it; they are for Linux alone.
  [ "$(uname)" != Linux ] || need strace strace
  # Where these cannot be installed, the tests of a proxy before the server, of a Redis and of letters through a real relay
  # say that they were not run.
  if on_debian_as_root; then
    need nginx nginx-light
    need redis-server redis-server
    # Without a configuration of its own the package starts no mail server on this machine; tests bring theirs.
    have debconf-set-selections && ! have postfix &&
      echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    need postfix postfix
    need saslpasswd2 sasl2-bin
    need_postgres
    need_plain
  fi
fi

if [ "$goal" = bench ]; then
  need nginx nginx-light
  need curl curl
  # A peer of the balancer; where it cannot be had, its rows say "not measured".
  if on_debian_as_root; then need haproxy haproxy; fi
  need age age
  need ssh-keygen openssh-client
  need /usr/sbin/sshd openssh-server
  # The peer of the documented API; where it cannot be had, its rows say "not measured".
  if [ ! -x "$WAXWING_TOOLS/flask/bin/gunicorn" ] && python3 -c 'import ensurepip, venv' 2>/dev/null; then
    say "making a Python environment with Flask and gunicorn in the cache folder, once"
    python3 -m venv "$WAXWING_TOOLS/flask" &&
      "$WAXWING_TOOLS/flask/bin/pip" install --quiet --disable-pip-version-check 'flask==3.*' 'gunicorn>=23' ||
      say "Flask cannot be installed; it will not be measured"
  fi
fi

if [ "$goal" = fuzz ]; then
  need c++ g++
fi

if ! have cargo; then
  missing+=("Rust $rust_wanted or newer (https://rustup.rs)")
else
  rust_found=$(rustc --version | cut -d' ' -f2)
  if [ "$(printf '%s\n%s\n' "$rust_wanted" "$rust_found" | sort -V | head -n1)" != "$rust_wanted" ]; then
    missing+=("Rust $rust_wanted or newer; here is $rust_found (rustup update)")
  fi
fi

if [ ${#missing[@]} -gt 0 ]; then
  say "this machine lacks:"
  printf '  - %s\n' "${missing[@]}" >&2
  say "install these and run the same command again"
  exit 1
fi

if [ "$goal" = test ]; then
  cargo_tool cargo-nextest cargo-nextest
  cargo_tool cargo-deny cargo-deny
fi

if [ "$goal" = fuzz ]; then
  cargo_tool cargo-fuzz cargo-fuzz
fi

if [ "$goal" = mutants ]; then
  cargo_tool cargo-mutants cargo-mutants
fi
