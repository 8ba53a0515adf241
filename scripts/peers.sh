#!/bin/sh
# Makes the environments of other programs: the standards' own command lines, for the tests that ask them about our files,
# and what the benchmarks need beside us.
# Each stands alone in .peers/: their pins are not ours. Usage: scripts/peers.sh
set -eu
cd "$(dirname "$0")/.."

make_peer() { # NAME REQUIREMENT
    test -x ".peers/$1/bin/python" || python3 -m venv ".peers/$1"
    ".peers/$1/bin/python" -m pip install --quiet "$2"
}

make_peer dataproduct "dataproduct-cli==0.3.2"
make_peer datacontract "datacontract-cli==1.2.8"
make_peer tpchgen "tpchgen-cli==4.0.0"
make_peer dlt "dlt[pyiceberg]==1.31.0"
