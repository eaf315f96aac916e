#!/bin/sh
# The tests of the review app drive a real Chromium. On Debian as root this installs it; elsewhere it says what to do.
# The headless shell is the same engine without a window frame, and a third of the work.
set -eu
for browser in "${FILM_CHROMIUM:-}" /usr/bin/chromium-headless-shell; do
    if [ -n "$browser" ] && [ -x "$browser" ]; then
        exit 0
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "== installing Chromium for the tests of the review app"
    apt-get update -qq || true
    for package in chromium-headless-shell chromium; do
        if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null; then
            exit 0
        fi
        echo "$package can't be installed" >&2
    done
fi
for browser in /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    if [ -x "$browser" ]; then
        exit 0
    fi
done
echo "The tests of the review app need Chromium. On Debian: sudo apt-get install chromium-headless-shell;" \
    "elsewhere set FILM_CHROMIUM." >&2
exit 1
