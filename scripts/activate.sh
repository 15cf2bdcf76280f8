# Source this file: it makes .venv, ROS and the built package visible to the shell.
root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
. "$root/.venv/bin/activate"
[ -n "${ROS_DISTRO:-}" ] || export AMENT_PREFIX_PATH="$root/.venv" CMAKE_PREFIX_PATH="$root/.venv"
[ ! -f "$root/build_ws/install/setup.sh" ] || COLCON_CURRENT_PREFIX="$root/build_ws/install" . "$root/build_ws/install/setup.sh"
# Demos and tests talk to this machine only.
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
unset root
