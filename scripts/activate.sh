# Source this file in bash or zsh: it makes the environment, its ROS and the built package visible to the shell.
_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
_suffix=${ROS_DISTRO:+-$ROS_DISTRO}
. "$_root/.venv$_suffix/bin/activate"
if [ -z "$_suffix" ]; then
    # The wheels lie directly in the environment: it is the ROS installation.
    export AMENT_PREFIX_PATH=$_root/.venv CMAKE_PREFIX_PATH=$_root/.venv
fi
_install=$_root/build_ws$_suffix/install
if [ -f "$_install/local_setup.sh" ]; then
    COLCON_CURRENT_PREFIX=$_install . "$_install/local_setup.sh"
fi
# What runs from here, demos and tests, talks to this machine only.
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
unset _root _suffix _install
