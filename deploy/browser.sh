#!/bin/sh
# The tests of the review app drive a real Chromium. On Debian as root this installs it; elsewhere it says what to do.
set -eu
for browser in "${FILM_CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    if [ -n "$browser" ] && [ -x "$browser" ]; then
        exit 0
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "== installing Chromium for the tests of the review app"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
    exit 0
fi
echo "The tests of the review app need Chromium. On Debian: sudo apt-get install chromium; elsewhere set FILM_CHROMIUM." >&2
exit 1
