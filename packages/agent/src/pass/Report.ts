import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { uidOf } from "@patela/domain/relay/Slot"
import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { KeyFileReader } from "@patela/reconcilers/identity/KeyFileReader"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { type Trouble, troubleOf } from "../converge/Trouble.ts"
import { AgentNotes, AgentState, configDigest } from "../host/AgentState.ts"
import { Session } from "../session/Session.ts"

/** What there is to tell the server. */
export interface Standing {
  /** The configuration that is enforced. */
  readonly config: NodeConfig
  readonly troubles: ReadonlyArray<Trouble>
  /** Why the server's configuration was taken back, where it was. */
  readonly takenBack: string | undefined
  /** Whether something was changed since the last report. */
  readonly changed: boolean
}

/**
 * Tells the server how the node stands, unless it has heard just that already: in the steady state nothing is sent, and
 * nothing is asked of the host for it.
 */
export const report = Effect.fn("report")(function*(standing: Standing) {
  const { reported } = yield* (yield* AgentState).read
  const about = digestOf(standing)
  if (!standing.changed && reported === about) return
  const payload = yield* reportOf(standing)
  yield* (yield* Session).report(payload)
  yield* (yield* AgentNotes).note({ reported: about })
})

const digestOf = ({ config, takenBack, troubles }: Standing): string =>
  createHash("sha256")
    .update(configDigest(config))
    .update(JSON.stringify([
      config.generation,
      takenBack ?? null,
      config.relays.map(({ name }) => troubleOf(troubles, name) ?? null)
    ]))
    .digest("hex")

/** The longest reason that a report carries, in characters. */
const REASON = 2000

/** A reason as the server takes it: what a program printed may hold anything, NUL too. */
const told = (reason: string | undefined): string | null =>
  reason?.replaceAll("\u0000", "\ufffd").slice(0, REASON) ?? null

/**
 * Each relay's fingerprints, read from its key files, and what keeps it from running. An identity that is not saved in
 * the TPM yet is not reported: a record of it would keep the node from ever making another.
 */
const reportOf = Effect.fn("reportOf")(function*({ config, takenBack, troubles }: Standing) {
  const owners = config.relays.map(({ name, slot }) => ({ name, uid: uidOf(slot), gid: uidOf(slot) }))
  const identities = yield* (yield* KeyFileReader).look(owners)
  const command = yield* HostCommand
  const version = yield* command.run("tor", ["--version"]).pipe(
    Effect.map((text) => /^Tor version (\S+?)\.?$/m.exec(text)?.[1] ?? null),
    Effect.orElseSucceed(() => null)
  )
  const unsaved = new Set(troubles.map(({ address }) => address))
  return {
    relays: config.relays.map(({ name }) => {
      const identity = identities.get(name)
      const saved = !unsaved.has(`relay/${name}/key-store`)
      return {
        name,
        fingerprint: identity?.state === "present" && saved ? identity.fingerprints : null,
        blocked: told(troubleOf(troubles, name))
      }
    }),
    tor_version: version,
    generation: config.generation,
    rolled_back: told(takenBack)
  } satisfies NodeReport
})
