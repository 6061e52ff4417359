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

/** In the place of tpm2-tools, tpm2-tools that tell. */
export const watchedTools = Effect.map(DebianRoot.find(), (root): ReadonlyArray<CpioEntry> => [
  { type: "file", path: REAL, mode: 0o755, content: readFileSync(`${root}/usr/bin/tpm2`) },
  { type: "file", path: "usr/bin/tpm2", mode: 0o755, content: Buffer.from(NOTING) }
])
