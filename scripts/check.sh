#!/usr/bin/env bash
# Everything that can be said of the code without running it. `npm run check`; the first complaint ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf 'check: %s\n' "$1"; }

step "types"
tsc -b
step "formatting (npm run format puts it right)"
dprint check
step "lint"
oxlint --deny-warnings
step "Effect diagnostics"
for project in packages/domain packages/tpm packages/server reconcilers packages/agent test; do
  effect-tsgo diagnostics --project "$project/tsconfig.json" --severity error,warning --strict --format text
done
