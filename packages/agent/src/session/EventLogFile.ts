import { MAX_EVENT_LOG } from "@patela/domain/attestation/BootEvidence"
import { Context, Effect, Layer } from "effect"
import * as fs from "node:fs/promises"

/** Where the kernel has the event log that the firmware handed over. */
export const EVENT_LOG_PATH = "/sys/kernel/security/tpm0/binary_bios_measurements"

/** The firmware's event log, where there is one: none unless told, for it is of one TPM of one machine. */
export const EventLogFile = Context.Reference<{ readonly read: Effect.Effect<Uint8Array | undefined> }>(
  "@patela/agent/session/EventLogFile",
  { defaultValue: () => ({ read: Effect.succeed<Uint8Array | undefined>(undefined) }) }
)

/** From a file; one that is not there, is empty or is longer than travels is as none. */
export const eventLogFileAt = (path: string) =>
  Layer.succeed(EventLogFile, {
    read: Effect.tryPromise(() => fs.readFile(path)).pipe(
      Effect.map((log) => log.length === 0 || log.length > MAX_EVENT_LOG ? undefined : new Uint8Array(log)),
      Effect.catch(() => Effect.succeed<Uint8Array | undefined>(undefined))
    )
  })
