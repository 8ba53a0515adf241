#!/bin/sh
# Makes the environments of the standards' own command lines, for the tests that ask them about our files.
# Each stands alone in .peers/: their pins are not ours. Usage: scripts/peers.sh
set -eu
cd "$(dirname "$0")/.."

make_peer() { # NAME REQUIREMENT
    test -x ".peers/$1/bin/python" || python3 -m venv ".peers/$1"
    ".peers/$1/bin/python" -m pip install --quiet "$2"
}

make_peer dataproduct "dataproduct-cli==0.3.2"
make_peer datacontract "datacontract-cli==1.2.8"
