import { assert, describe, it } from "@effect/vitest"
import { decodeEventLog } from "@patela/tpm/eventlog/EventLog"
import { replayEventLog } from "@patela/tpm/eventlog/replayEventLog"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Algorithm } from "@patela/tpm/structures/Algorithm"
import { Arbitrary, Effect, Option, Result, Schema } from "effect"
import { BootPolicy } from "../../packages/server/src/boot/BootPolicy.ts"
import { defaultSelection } from "../../packages/server/src/boot/bootSelection.ts"
import { Administration } from "../../packages/server/src/nodes/Administration.ts"
import { NetworkAdministration } from "../../packages/server/src/settings/NetworkAdministration.ts"
import { network, node1 } from "../../packages/server/test/rig/Fleet.ts"
import { SealedAnswer } from "../../packages/server/test/rig/SealedAnswer.ts"
import { softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { TestApi, testApi } from "../../packages/server/test/rig/TestApi.ts"
import { smallBoot, startupLocality, writtenLog } from "../../packages/tpm/test/LogWriter.ts"
import { alter, Alteration } from "./alteredRequest.ts"

const TIMEOUT = 1_800_000
const { sha1, sha256 } = Algorithm

const eventLog = writtenLog([sha1, sha256], [startupLocality(3), ...smallBoot])
const replayed = Result.getOrThrow(replayEventLog(Result.getOrThrow(decodeEventLog(eventLog)), sha256))
const booted: PcrValues = new Map([[
  sha256,
  new Map(defaultSelection.pcrs.map((pcr) => [pcr, replayed.get(sha256)?.get(pcr) ?? new Uint8Array()]))
]])

/** Evidence as fields of text, each of which can be altered. */
const Parts = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const pcrField = (pcr: number): string => `pcr ${pcr}`
const FIELDS = ["quote", "signature", "event_log", ...defaultSelection.pcrs.map(pcrField)] as const

const Altered = Schema.Struct({ field: Schema.Literals(FIELDS), ...Alteration.fields })

describe("what a node shows of its boot", () => {
  it.effect(
    "law: 10,000 altered attestations are each a 4xx, and change nothing; the true one is kept",
    () =>
      Effect.gen(function*() {
        const { ask, rows } = yield* TestApi
        const tpm = softwareTpm()
        yield* (yield* NetworkAdministration).set("test", network)
        yield* ask({ path: "/public/auth", body: tpm.request })
        yield* (yield* Administration).setEnabled("test", node1, true)
        yield* (yield* BootPolicy).enforce("test", "on")
        const { body } = yield* ask({ path: "/public/auth", body: tpm.request })
        const sealed = yield* Effect.orDie(Schema.decodeUnknownEffect(SealedAnswer)(body))
        const token = tpm.open(sealed)
        const show = (evidence: unknown) => ask({ path: "/private/evidence", token, body: evidence })
        // Begins the session, which is a row.
        assert.strictEqual((yield* show("{}")).status, 400)
        const before = yield* rows

        const evidence = tpm.evidence(sealed.challenge, booted, { eventLog })
        const { event_log, pcr_values, quote, signature } = evidence
        const fields: Record<string, string> = { quote, signature, event_log: event_log ?? "" }
        for (const { pcr, value } of pcr_values) fields[pcrField(pcr)] = value
        const whole = JSON.stringify(evidence)
        const asEvidence = (text: string): string =>
          Option.match(Schema.decodeOption(Parts)(text), {
            onNone: () => text,
            onSome: (parts) =>
              JSON.stringify({
                quote: parts["quote"],
                signature: parts["signature"],
                pcr_values: pcr_values.map((one) => ({ ...one, value: parts[pcrField(one.pcr)] })),
                event_log: parts["event_log"]
              })
          })
        const bodies = (yield* Arbitrary.sampleEffect(Arbitrary.schema(Altered), { count: 10_400 }))
          .flatMap((altered) => {
            const text = alter(fields, altered)
            return text === undefined ? [] : [asEvidence(text)]
          }).filter((text) => text !== whole)
        assert.isAtLeast(bodies.length, 10_000)
        for (const [at, text] of bodies.entries()) {
          const { status } = yield* show(text)
          assert.include([400, 413], status, text)
          if (at % 250 === 0) assert.strictEqual(yield* rows, before)
        }
        assert.strictEqual(yield* rows, before)
        assert.strictEqual((yield* show(whole)).status, 204)
      }).pipe(Effect.provide(testApi())),
    TIMEOUT
  )
})
