#!/usr/bin/env bash
# Passes the tests, with all of their set-up. Without root only the pure tier can run, and that is said.
#
#   npm test                  every tier that this machine can run, but for faults
#   npm test -- pure          one tier: pure, host, inside or faults
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "$(id -u)" = 0 ] && [ "${1:-}" != pure ]; then "$here/setup.sh"; else "$here/setup.sh" pure; fi
exec "$here/../node_modules/.bin/node" "$here/test.ts" "$@"
