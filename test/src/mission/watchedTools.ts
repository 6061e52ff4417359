import { Effect } from "effect"
import { readFileSync } from "node:fs"
import type { CpioEntry } from "../rig/Cpio.ts"
import { DebianRoot } from "../rig/DebianRoot.ts"

/** Where a virtual node notes which of tpm2-tools were run on it, one a line; not there where none were. */
export const TOOLS_RUN = "/run/tpm2-tools"

const REAL = "opt/rig/tpm2"

// All of tpm2-tools are links to one program, which goes by the name that it was called by.
const NOTING = `#!/bin/bash
basename "$0" >>${TOOLS_RUN}
exec -a "$0" /${REAL} "$@"
`

/** As systemd-stub measures a command line that its loader gives; SeaBIOS measures nothing of what is started. */
const MEASURE_UNIT = `[Unit]
Description=Measures the image of the test
Before=patela-agent.service

[Service]
Type=oneshot
Environment=TPM2TOOLS_TCTI=device:/dev/tpmrm0
ExecStart=/${REAL} pcrextend 12:sha256=${"a".repeat(64)}
`

/** In the place of tpm2-tools, tpm2-tools that tell; and something that is measured of the image at its boot. */
export const watchedTools = Effect.map(DebianRoot.find(), (root): ReadonlyArray<CpioEntry> => [
  { type: "file", path: REAL, mode: 0o755, content: readFileSync(`${root}/usr/bin/tpm2`) },
  { type: "file", path: "usr/bin/tpm2", mode: 0o755, content: Buffer.from(NOTING) },
  { type: "file", path: "etc/systemd/system/rig-measure.service", mode: 0o644, content: Buffer.from(MEASURE_UNIT) },
  { type: "link", path: "etc/systemd/system/multi-user.target.wants/rig-measure.service", to: "../rig-measure.service" }
])
