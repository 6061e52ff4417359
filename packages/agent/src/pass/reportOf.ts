import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { uidOf } from "@patela/domain/relay/Slot"
import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { KeyFileReader } from "@patela/reconcilers/identity/KeyFileReader"
import { Effect } from "effect"
import { troubleOf } from "../converge/Verdict.ts"
import type { PassResult } from "./Pass.ts"

/** The longest reason that a report carries, in characters. */
const REASON = 2000

/**
 * What the server hears of a pass: each relay's fingerprints, read from its key files, and what keeps it from running.
 * An identity that is not saved in the TPM yet is not reported: a record of it would keep the node from making another.
 */
export const reportOf = Effect.fn("reportOf")(function*(result: PassResult, config: NodeConfig) {
  const owners = config.relays.map(({ name, slot }) => ({ name, uid: uidOf(slot), gid: uidOf(slot) }))
  const identities = yield* (yield* KeyFileReader).look(owners)
  const command = yield* HostCommand
  const version = yield* command.run("tor", ["--version"]).pipe(
    Effect.map((text) => /^Tor version (\S+?)\.?$/m.exec(text)?.[1] ?? null),
    Effect.orElseSucceed(() => null)
  )
  const unsaved = new Set(
    [...result.convergence.failures, ...result.convergence.blocked, ...result.convergence.remaining]
      .map(({ address }) => address)
  )
  return {
    relays: config.relays.map(({ name }) => {
      const identity = identities.get(name)
      const saved = !unsaved.has(`relay/${name}/key-store`)
      return {
        name,
        fingerprint: identity?.state === "present" && saved ? identity.fingerprints : null,
        blocked: troubleOf(result.convergence, name)?.slice(0, REASON) ?? null
      }
    }),
    tor_version: version
  } satisfies NodeReport
})
