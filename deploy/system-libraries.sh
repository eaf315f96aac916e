#!/bin/sh
# Blender as a Python module needs a few system libraries. On Debian as root this installs them; elsewhere it names them.
set -eu
packages="libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1"
# In a process of its own: a missing library can end the interpreter.
if .venv-blender/bin/python -c "import bpy" >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "== installing Blender's system libraries: $packages"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $packages >/dev/null
    .venv-blender/bin/python -c "import bpy" >/dev/null
    exit 0
fi
echo "Blender's system libraries are missing. On Debian or Ubuntu: sudo apt-get install $packages" >&2
echo "On Fedora: sudo dnf install libX11 libXrender libXfixes libXi libxkbcommon libSM libglvnd-glx libglvnd-egl" >&2
exit 1
