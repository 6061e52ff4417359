import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { certificateIndexes } from "@patela/tpm/identity/chooseEndorsementKey"
import { Effect, Schema } from "effect"
import { writeFileSync } from "node:fs"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import { temporaryDirectory } from "../../packages/server/test/rig/temporaryDirectory.ts"
import { certifiedTpm, withoutCertificate } from "../../packages/tpm/test/host/CertifiedTpm.ts"
import { transports } from "../../packages/tpm/test/host/Transports.ts"
import { agentRun } from "../src/rig/agentRun.ts"

const TIMEOUT = 180_000

const Listed = Schema.fromJsonString(Schema.Struct({
  nodes: Schema.Array(Schema.Struct({ id: Schema.Int, state: Schema.String, tier: Schema.String }))
}))

/** A machine whose vendor certified its RSA-2048 and P-384 keys, and a server that trusts that vendor. */
const house = Effect.gen(function*() {
  const { root, tcti } = yield* certifiedTpm
  const roots = yield* temporaryDirectory
  writeFileSync(`${roots}/vendor.der`, root)
  const patela = yield* runningPatelaWith({ PATELA_EK_ROOTS: roots })
  const run = (transport: typeof transports[number], before?: EndorsementKeyKind) =>
    agentRun({ patela, tcti, transport, before })
  const listed = Effect.flatMap(
    patela.cli(["list", "node", "--json"]),
    ({ stdout }) => Effect.map(Schema.decodeEffect(Listed)(stdout), ({ nodes }) => nodes)
  )
  return { patela, tcti, run, listed }
})

describe("a machine whose vendor certified other keys than that of P-256", () => {
  for (const transport of transports) {
    it.live(
      `is certified from its first request on, and stays the same machine with fewer certificates (${transport})`,
      () =>
        Effect.gen(function*() {
          const { listed, patela, run, tcti } = yield* house
          assert.strictEqual((yield* Effect.flip(run(transport)))._tag, "WaitingForApproval")
          assert.deepStrictEqual(yield* listed, [{ id: 1, state: "waiting", tier: "certified" }])
          assert.include((yield* patela.cli(["list", "node", "waiting"])).stdout, " proven ")
          yield* patela.cli(["enable", "1"])
          yield* patela.cli(["policy", "tier", "certified"])
          const config = yield* run(transport)
          assert.isAtLeast(config.relays.length, 1)
          yield* withoutCertificate(tcti, certificateIndexes["ecc-p384"])
          assert.deepStrictEqual((yield* run(transport)).relays, config.relays)
          assert.deepStrictEqual(yield* listed, [{ id: 1, state: "enabled", tier: "certified" }])
        }).pipe(Effect.provide(NodeServices.layer)),
      TIMEOUT
    )
  }

  it.live(
    "and was enabled with its P-256 key before keeps that, its relays, and its place",
    () =>
      Effect.gen(function*() {
        const { listed, patela, run } = yield* house
        assert.strictEqual((yield* Effect.flip(run("direct", "ecc-p256")))._tag, "WaitingForApproval")
        yield* patela.cli(["enable", "1"])
        const config = yield* run("direct", "ecc-p256")
        for (const transport of transports) assert.deepStrictEqual((yield* run(transport)).relays, config.relays)
        assert.deepStrictEqual(yield* listed, [{ id: 1, state: "enabled", tier: "first-use" }])
        // Its certificates are of other keys: a stricter policy refuses it as before, and says by which hash to allow it.
        yield* patela.cli(["policy", "tier", "allow-listed"])
        const refused = yield* Effect.flip(run("direct"))
        const hash = /policy allow-ek ([0-9a-f]{64})/.exec(refused.message)?.[1] ?? ""
        yield* patela.cli(["policy", "allow-ek", hash])
        assert.deepStrictEqual((yield* run("direct")).relays, config.relays)
      }).pipe(Effect.provide(NodeServices.layer)),
    TIMEOUT
  )
})
