import type { HardwareSpecs } from "@patela/domain/node/HardwareSpecs"
import { Clock, Effect } from "effect"
import * as os from "node:os"
import { VERSION } from "../Version.ts"

/** What this machine has, for the server to count relays from. Memory is bytes, as the kernel's MemTotal says. */
export const readHardware: Effect.Effect<HardwareSpecs> = Effect.map(Clock.currentTimeMillis, (clock) => ({
  n_cpus: os.availableParallelism(),
  memory: os.totalmem(),
  cpu_name: os.cpus()[0]?.model.slice(0, 200) ?? "unknown",
  hostname: os.hostname().slice(0, 200),
  kernel: os.release().slice(0, 200),
  agent_version: VERSION,
  clock
}))
