import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { Tcti } from "@patela/tpm/transport/Tcti"
import { Effect, Schema } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { runningPatela } from "../../packages/server/test/rig/runningPatela.ts"
import { temporaryDirectory } from "../../packages/server/test/rig/temporaryDirectory.ts"
import { newTpmState, swtpm } from "../../packages/tpm/test/host/Swtpm.ts"
import { transports } from "../../packages/tpm/test/host/Transports.ts"
import { agentRun } from "../src/rig/agentRun.ts"

const TIMEOUT = 180_000
const PCRS = "sha256:0,2,4,7,12,13,14"

const Shown = Schema.fromJsonString(Schema.Struct({
  boot: Schema.Struct({ state: Schema.String, digest: Schema.NullOr(Schema.String) }),
  clock: Schema.Struct({ state: Schema.String })
}))

/** Runs one of tpm2-tools, as something else on the machine would. */
const tool = Effect.fnUntraced(function*(tcti: Tcti, name: string, ...args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(ChildProcess.make(name, [...args], {
    env: { TPM2TOOLS_TCTI: tcti },
    extendEnv: true,
    stdout: "ignore",
    stderr: "inherit"
  }))
  assert.strictEqual(Number(yield* handle.exitCode), 0, name)
}, Effect.scoped)

describe("a node with a real TPM whose boot is enforced", () => {
  for (const transport of transports) {
    it.live(
      `is refused by the PCR that was extended, and let in again when that is allowed (${transport})`,
      () =>
        Effect.gen(function*() {
          const { tcti } = yield* swtpm(yield* newTpmState)
          const patela = yield* runningPatela
          const pcr = (...args: ReadonlyArray<string>) => patela.cli(["policy", "pcr", ...args])
          const shown = Effect.flatMap(
            patela.cli(["node", "show", "1", "--json"]),
            ({ stdout }) => Schema.decodeEffect(Shown)(stdout)
          )
          const run = agentRun({ patela, tcti, transport })

          assert.strictEqual((yield* Effect.flip(run))._tag, "WaitingForApproval")
          yield* patela.cli(["enable", "1"])
          yield* pcr("enforce", "warn")
          yield* run
          assert.strictEqual((yield* shown).boot.state, "not allowed")
          assert.strictEqual((yield* shown).clock.state, "clock right", "as the agent said it")
          yield* pcr("learn", "1")
          yield* pcr("enforce", "on")
          yield* run
          const learned = (yield* shown).boot
          assert.strictEqual(learned.state, "allowed")

          // The digest is one that a person finds without Patela.
          const file = `${yield* temporaryDirectory}/values`
          yield* tool(tcti, "tpm2_pcrread", "-Q", "-o", file, PCRS)
          const values = yield* Effect.sync(() => readFileSync(file))
          assert.strictEqual(createHash("sha256").update(values).digest("hex"), learned.digest)

          yield* tool(tcti, "tpm2_pcrextend", `16:sha256=${"a".repeat(64)}`)
          yield* run
          yield* tool(tcti, "tpm2_pcrextend", `12:sha256=${"a".repeat(64)}`)
          const refused = yield* Effect.flip(run)
          assert.strictEqual(refused._tag, "WaitingForApproval")
          assert.match(refused.message, /PCR 12 of sha256 is [0-9a-f]{64} on node 1, and 0{64} was learned from node 1/)
          const { boot } = yield* shown
          assert.strictEqual(boot.state, "not allowed")
          assert.include((yield* patela.cli(["list", "node", "not allowed"])).stdout, "not allowed")

          yield* pcr("allow", boot.digest ?? "")
          yield* run
          assert.strictEqual((yield* shown).boot.state, "allowed")

          // Other PCRs: the node is asked for them from its next session on.
          yield* pcr("enforce", "warn")
          assert.include((yield* pcr("select", "0,7,16x")).stderr, "Nothing was changed")
          assert.include((yield* pcr("select", "0,7")).stdout, "2 allowed boots are of other PCRs")
          assert.strictEqual((yield* shown).boot.state, "unknown")
          yield* run
          yield* pcr("learn", "1")
          yield* pcr("enforce", "on")
          yield* tool(tcti, "tpm2_pcrextend", `12:sha256=${"b".repeat(64)}`)
          yield* run
          yield* tool(tcti, "tpm2_pcrextend", `7:sha256=${"b".repeat(64)}`)
          assert.match((yield* Effect.flip(run)).message, /PCR 7 of sha256 is/)
        }).pipe(Effect.provide(NodeServices.layer)),
      TIMEOUT
    )

    it.live(
      `shows the bank that is selected, and says so where its TPM has none (${transport})`,
      () =>
        Effect.gen(function*() {
          const state = yield* newTpmState
          const patela = yield* runningPatela
          const pcr = (...args: ReadonlyArray<string>) => patela.cli(["policy", "pcr", ...args])
          const shown = Effect.flatMap(
            patela.cli(["node", "show", "1", "--json"]),
            ({ stdout }) => Effect.map(Schema.decodeEffect(Shown)(stdout), ({ boot }) => boot)
          )
          yield* Effect.gen(function*() {
            const { tcti } = yield* swtpm(state)
            const run = agentRun({ patela, tcti, transport })
            yield* Effect.flip(run)
            yield* patela.cli(["enable", "1"])
            yield* pcr("enforce", "warn")
            yield* run
            yield* pcr("learn", "1")

            yield* pcr("select", "--bank", "sha384", "4,7")
            assert.strictEqual((yield* shown).state, "unknown")
            yield* run
            assert.strictEqual((yield* shown).state, "not allowed", "what is allowed is of the other bank")
            const file = `${yield* temporaryDirectory}/values`
            yield* tool(tcti, "tpm2_pcrread", "-Q", "-o", file, "sha384:4,7")
            const values = yield* Effect.sync(() => readFileSync(file))
            assert.strictEqual(values.length, 96)
            assert.strictEqual((yield* shown).digest, createHash("sha256").update(values).digest("hex"))
            yield* pcr("learn", "1")
            yield* pcr("enforce", "on")
            yield* run
            // Of the other bank, which is not looked at.
            yield* tool(tcti, "tpm2_pcrextend", `7:sha256=${"a".repeat(64)}`)
            yield* run
            yield* tool(tcti, "tpm2_pcrextend", `7:sha384=${"a".repeat(96)}`)
            const refused = yield* Effect.flip(run)
            assert.match(
              refused.message,
              /PCR 7 of sha384 is [0-9a-f]{96} on node 1, and 0{96} was learned from node 1/
            )
            yield* tool(tcti, "tpm2_pcrallocate", "-Q", "sha384:none+sha256:all")
          }).pipe(Effect.scoped)

          const { tcti } = yield* swtpm(state)
          const run = agentRun({ patela, tcti, transport })
          const without = yield* Effect.flip(run)
          assert.strictEqual(without._tag, "TpmNotReady")
          assert.include(without.message, "gives no PCR 4, 7 of its sha384 bank")
          yield* pcr("enforce", "warn")
          yield* run
          assert.strictEqual((yield* shown).state, "unknown")
          yield* pcr("select", "--bank", "sha256", "0,2,4,7,12,13,14")
          yield* pcr("enforce", "on")
          yield* run
          assert.strictEqual((yield* shown).state, "allowed", "what was allowed of this bank before")
        }).pipe(Effect.provide(NodeServices.layer)),
      TIMEOUT
    )
  }
})
