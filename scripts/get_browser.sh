#!/usr/bin/env bash
# Installs Chromium for the tests of the operator's page, where apt is at hand and asks for no password. Without it
# these tests are skipped.
set -euo pipefail
if command -v chromedriver >/dev/null && command -v chromium >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || { echo 'No apt: the tests of the page in a browser will be skipped.'; exit 0; }
sudo=()
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { echo 'No root: install chromium and chromium-driver to test the page in a browser.'; exit 0; }
    sudo=(sudo -n)
fi
echo 'Installing chromium and chromium-driver, to test the page in a browser'
"${sudo[@]}" apt-get update -qq &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium chromium-driver \
        >/dev/null || echo 'That failed: the tests of the page in a browser will be skipped.'
