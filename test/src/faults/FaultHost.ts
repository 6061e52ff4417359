import { assert } from "@effect/vitest"
import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import { Effect } from "effect"
import { fault, type MissionFault } from "../mission/Mission.ts"
import { type Cheese, CHEESES, type FaultConfig, faultConfig } from "./faultConfig.ts"
import { FaultNode } from "./FaultNode.ts"
import { ForeignState } from "./ForeignState.ts"
import { Witness } from "./Witness.ts"

/** A node whose relays have run once, so that their keys are in the TPM and on record, and what must hold on it. */
export interface FaultHost {
  readonly node: FaultNode
  /** A configuration with what is on record. */
  readonly config: (options: Omit<FaultConfig, "record">) => NodeConfig
  /** Puts on record what these relays are now, for they are new ones of these names. */
  readonly recordAnew: (names: ReadonlyArray<Cheese>) => Effect.Effect<void, MissionFault>
  /** What is foreign on the node now. */
  readonly foreign: Effect.Effect<ReadonlyArray<string>, MissionFault>
  /** An ordinary pass converges and leaves nothing lying about, and one more writes nothing. */
  readonly settle: (config: NodeConfig, about: string) => Effect.Effect<void, MissionFault>
  /** Nothing foreign was touched, no relay ever was somebody else or left from elsewhere, on this boot. */
  readonly unharmed: (foreign: ReadonlyArray<string>, about: string) => Effect.Effect<void, MissionFault>
}

/** Temporary files and directories, which no agent holds any more; torrcs and keys would lie in them. */
const LEFTOVERS = `find /run/patela /etc/patela /etc/tor/instances /var/lib/tor-instances -name '.*' ! -name .fill
find /run /tmp -maxdepth 2 -name 'patela-*'
find /run/patela -name 'verify-*'`

export const FaultHost = {
  /** The node is on, and runs every relay of `CHEESES`. */
  make: Effect.fnUntraced(function*() {
    const node = yield* FaultNode.make()
    const record = new Map<Cheese, Fingerprints>()
    /** Every identity that was on record at any time, as tor says it of itself. */
    const known = new Set<string>()
    const recordAnew: FaultHost["recordAnew"] = Effect.fnUntraced(function*(names) {
      for (const name of names) {
        const fingerprints = yield* node.fingerprints(name)
        record.set(name, fingerprints)
        known.add(`${name} ${fingerprints.rsa}`).add(`${name} ${fingerprints.ed25519}`)
      }
    })

    const settle: FaultHost["settle"] = Effect.fnUntraced(function*(config, about) {
      const [first, second] = yield* node.passes(config, 2)
      assert.deepStrictEqual([first?.verdict, first?.troubles], ["converged", []], about)
      assert.deepStrictEqual([second?.verdict, second?.changes, second?.calls.file], ["converged", [], []], about)
      // The notes are compared, and not written where they say so already.
      assert.deepStrictEqual(second?.calls.service.filter((call) => call !== "AgentNotes.note"), [], about)
      assert.strictEqual(yield* fault(node.mission.node.execOk(["sh", "-c", LEFTOVERS])), "", about)
    })

    const unharmed: FaultHost["unharmed"] = Effect.fnUntraced(function*(foreign, about) {
      const now = yield* ForeignState.look(node.mission.node)
      const gone = foreign.filter((line) => !now.includes(line))
      const come = now.filter((line) => !foreign.includes(line))
      assert.deepStrictEqual({ gone, come }, { gone: [], come: [] }, about)
      assert.strictEqual((yield* Witness.look(node.mission.node)).wrong, 0, about)
      assert.deepStrictEqual([...(yield* node.identitiesUsed)].filter((identity) => !known.has(identity)), [], about)
    })

    yield* node.reset
    yield* settle(faultConfig({ relays: CHEESES }), "the first run of all relays")
    yield* recordAnew(CHEESES)
    const host: FaultHost = {
      node,
      config: (options) => faultConfig({ ...options, record }),
      recordAnew,
      foreign: ForeignState.look(node.mission.node),
      settle,
      unharmed
    }
    return host
  })
}
