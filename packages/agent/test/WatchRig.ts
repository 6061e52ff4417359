import { AgentNotes, AgentState, type Notes } from "@patela/agent/host/AgentState"
import { HostFactsReader } from "@patela/agent/host/HostFactsReader"
import { ConfigKeeper, KeptConfig } from "@patela/agent/host/KeptConfig"
import { ServerProbe, ServerUnreachable } from "@patela/agent/host/ServerProbe"
import { ServiceNotify } from "@patela/agent/host/ServiceNotify"
import { WriterLock } from "@patela/agent/host/WriterLock"
import { Session } from "@patela/agent/session/Session"
import { ServerAway, type SessionError } from "@patela/agent/session/SessionError"
import type { AgentStatus } from "@patela/agent/status/AgentStatus"
import { StatusFile } from "@patela/agent/status/StatusFile"
import { watch } from "@patela/agent/watch/Watch"
import type { NodeReport } from "@patela/domain/api/PrivateApi"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { type Kind, ObservationFailed, type WatchSignal } from "@patela/domain/reconciler/Kind"
import { HostCommand } from "@patela/reconcilers/host/HostCommand"
import { KeyFileReader } from "@patela/reconcilers/identity/KeyFileReader"
import { CurrentImagePolicy } from "@patela/tpm/policy/ImagePolicy"
import { type Duration, Effect, Layer, Logger, Option, Queue, Stream } from "effect"
import { type MemoryHost, memoryHost, memoryKind, trialInMemory } from "./MemoryKinds.ts"

/** A watching agent on a host in memory, with a server in memory and time that only the test moves. */
export interface WatchRig {
  readonly host: MemoryHost
  readonly kinds: ReadonlyArray<Kind<never, never>>
  /** What happens while a batch of a kind is applied; nothing unless set. */
  meanwhile: (kind: string) => Effect.Effect<void>
  /** Has a kind's watcher say something, or die. */
  readonly say: (kind: string, what: WatchSignal | "die") => Effect.Effect<void>
  /** What the server says from now on; undefined while it is away. */
  server: NodeConfig | undefined
  /** Tells the agent that the configuration may have changed. */
  readonly announce: Effect.Effect<void>
  readonly reports: Array<NodeReport>
  readonly log: Array<string>
  readonly notified: Array<string>
  status: AgentStatus | undefined
  notes: Notes
  /** How often the lock was taken. */
  locks: number
  /** Runs for good. */
  readonly run: Effect.Effect<never>
}

const NAMES = ["account", "address", "unit"]

const neededBy = (name: string): ReadonlyArray<string> => (name === "unit" ? ["account", "address"] : [])

/** With `watchdog`, the unit waits so long for a sign of life. */
export const makeWatchRig = Effect.fnUntraced(function*(first: NodeConfig, watchdog?: Duration.Duration) {
  const host = memoryHost()
  const events = new Map<string, Queue.Queue<WatchSignal | "die">>()
  for (const name of NAMES) events.set(name, yield* Queue.unbounded<WatchSignal | "die">())
  const announcements = yield* Queue.unbounded<void>()
  const streamOf = (name: string): Stream.Stream<WatchSignal, ObservationFailed> => {
    const queue = events.get(name)
    return queue === undefined ? Stream.never : Stream.fromQueue(queue).pipe(
      Stream.mapEffect((what) =>
        what === "die"
          ? Effect.fail(new ObservationFailed({ kind: name, message: `the watcher of ${name} died` }))
          : Effect.succeed(what)
      )
    )
  }
  const kinds = NAMES.map((name) =>
    during(
      memoryKind(host, name, neededBy(name), { watch: streamOf(name), network: name === "address" }),
      (kind) => rig.meanwhile(kind)
    )
  )
  let kept: NodeConfig | undefined
  const rig: WatchRig = {
    host,
    kinds,
    meanwhile: () => Effect.void,
    say: (kind, what) => Effect.asVoid(Queue.offer(events.get(kind) ?? announcementsOf(kind), what)),
    server: first,
    announce: Effect.asVoid(Queue.offer(announcements, undefined)),
    reports: [],
    log: [],
    notified: [],
    status: undefined,
    notes: {},
    locks: 0,
    run: Effect.suspend(() =>
      watch(kinds, first, { events: Stream.fromQueue(announcements), relayInterface: undefined }).pipe(
        Effect.provide([layer, Logger.layer([logger])])
      )
    )
  }
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    rig.log.push(`${logLevel} ${Array.isArray(message) ? message.join(" ") : String(message)}`)
  })
  /** The server is within reach unless an address has the value `cut`. */
  const reach = Effect.suspend(() =>
    [...host.state].some(([address, value]) => address.endsWith("/address") && value === "cut")
      ? Effect.fail(new ServerUnreachable({ message: "no new connection" }))
      : Effect.void
  )
  const away: Effect.Effect<never, SessionError> = Effect.fail(new ServerAway({ message: "no answer" }))
  const layer = Layer.mergeAll(
    CurrentImagePolicy.layer,
    Layer.succeed(Session, {
      events: Stream.never,
      config: () => Effect.suspend(() => rig.server === undefined ? away : Effect.succeed(rig.server)),
      report: (report) =>
        Effect.suspend(() => rig.server === undefined ? away : Effect.sync(() => void rig.reports.push(report))),
      familyKeys: () => Effect.die("not asked for")
    }),
    Layer.succeed(AgentState, { read: Effect.sync(() => rig.notes) }),
    Layer.succeed(AgentNotes, {
      note: (notes) =>
        Effect.sync(() => {
          rig.notes = { ...rig.notes, ...notes }
        })
    }),
    Layer.succeed(KeptConfig, { read: Effect.sync(() => Option.fromUndefinedOr(kept)) }),
    Layer.succeed(ConfigKeeper, {
      keep: (config) =>
        Effect.sync(() => {
          kept = config
        })
    }),
    Layer.succeed(HostFactsReader, {
      links: Effect.succeed([]),
      read: () => Effect.succeed({ cpus: 2, memory: 2 ** 32, relayInterface: { found: true, name: "ens4" } })
    }),
    Layer.succeed(WriterLock, { hold: Effect.sync(() => void rig.locks++) }),
    Layer.succeed(ServerProbe, { connect: reach, persist: reach }),
    trialInMemory(),
    Layer.succeed(ServiceNotify, {
      say: (...variables) => Effect.sync(() => void rig.notified.push(...variables)),
      status: (line) => Effect.sync(() => void rig.notified.push(`STATUS=${line}`)),
      watchdog: Option.fromUndefinedOr(watchdog)
    }),
    Layer.succeed(StatusFile, {
      update: (next) => Effect.sync(() => rig.status = next(rig.status))
    }),
    Layer.succeed(KeyFileReader, {
      look: () => Effect.succeed(new Map()),
      storedDigest: () => Effect.succeedNone,
      identity: () => Effect.succeedNone
    }),
    Layer.succeed(HostCommand, {
      run: () => Effect.succeed("Tor version 0.4.9.11.\n"),
      attempt: () => Effect.die("not asked for"),
      ask: () => Effect.succeedNone
    })
  )
  return rig
})

/** The kind, with something that happens while it applies. */
const during = (kind: Kind<never, never>, what: (kind: string) => Effect.Effect<void>): Kind<never, never> => ({
  ...kind,
  plan: (input) =>
    Effect.map(kind.plan(input), (plan) => ({
      ...plan,
      apply: (admitted) => Effect.tap(plan.apply(admitted), () => what(kind.kind))
    }))
})

const announcementsOf = (kind: string): never => {
  throw new Error(`the rig has no kind ${kind}`)
}
