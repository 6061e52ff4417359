import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { uidOf } from "@patela/domain/relay/Slot"
import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { KeyFileReader } from "@patela/reconcilers/identity/KeyFileReader"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { troubleOf } from "../converge/Verdict.ts"
import { AgentNotes, AgentState, configDigest } from "../host/AgentState.ts"
import { Session } from "../session/Session.ts"
import type { PassResult } from "./Pass.ts"

/**
 * Tells the server what a pass came to, unless it has heard just that already: in the steady state nothing is sent, and
 * nothing is asked of the host for it. What could not be said now is said by the next pass.
 */
export const report = Effect.fn("report")(function*(result: PassResult, config: NodeConfig) {
  const { reported } = yield* (yield* AgentState).read
  const notes = yield* AgentNotes
  const about = createHash("sha256")
    .update(configDigest(config))
    .update(JSON.stringify(config.relays.map(({ name }) => troubleOf(result.convergence, name) ?? null)))
    .digest("hex")
  const unknown = config.relays.some(({ fingerprint }) => fingerprint === null)
  if (result.convergence.changes.length === 0 && !unknown && reported === about) return
  const payload = yield* reportOf(result, config)
  yield* (yield* Session).report(payload).pipe(
    Effect.andThen(notes.note({ reported: about })),
    Effect.catch((error) => Effect.logWarning(`the server did not get our report: ${error.message}`))
  )
})

/** The longest reason that a report carries, in characters. */
const REASON = 2000

/**
 * What the server hears of a pass: each relay's fingerprints, read from its key files, and what keeps it from running.
 * An identity that is not saved in the TPM yet is not reported: a record of it would keep the node from making another.
 */
const reportOf = Effect.fn("reportOf")(function*(result: PassResult, config: NodeConfig) {
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
    tor_version: version,
    generation: null,
    rolled_back: null
  } satisfies NodeReport
})
