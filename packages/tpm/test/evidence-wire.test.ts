import { assert, describe, it } from "@effect/vitest"
import { BootEvidence, MAX_EVENT_LOG, PcrValue } from "@patela/domain/attestation/BootEvidence"
import { EndorsementCertificates } from "@patela/domain/attestation/EndorsementCertificates"
import { Effect, Result, Schema } from "effect"
import { bootEvidenceFromWire, bootEvidenceToWire } from "../src/evidence/bootEvidenceWire.ts"
import { toHex } from "../src/structures/Hex.ts"
import { failure } from "./fixtures.ts"

const Bytes = Schema.Uint8Array.pipe(Schema.check(Schema.isMinLength(1)))
const value = { bank: "sha256", pcr: 14, value: "ab".repeat(32) } as const
const wire: BootEvidence = { quote: "ff54", signature: "0018", pcr_values: [value], event_log: "00" }
const decode = Schema.decodeUnknownEffect(BootEvidence)

describe("boot evidence on the wire", () => {
  it.prop("becomes bytes and the same again", [
    Schema.Struct({
      quote: Bytes,
      signature: Bytes,
      pcr_values: Schema.Array(Schema.Struct({ ...PcrValue.fields, value: Bytes })),
      event_log: Schema.NullOr(Bytes)
    })
  ], ([made]) => {
    const evidence: BootEvidence = {
      quote: toHex(made.quote),
      signature: toHex(made.signature),
      pcr_values: made.pcr_values.map((pcr) => ({ ...pcr, value: toHex(pcr.value) })),
      event_log: made.event_log === null ? null : toHex(made.event_log)
    }
    const read = bootEvidenceFromWire(evidence)
    const pcrs = evidence.pcr_values.map(({ bank, pcr }) => `${bank} ${pcr}`)
    if (new Set(pcrs).size < pcrs.length) {
      assert.match(failure(read).field, /^pcr_values\./)
      return
    }
    const again = bootEvidenceToWire(Result.getOrThrow(read))
    const sorted = (of: BootEvidence) =>
      JSON.stringify({ ...of, pcr_values: of.pcr_values.map((it) => JSON.stringify(it)).toSorted() }).toLowerCase()
    assert.strictEqual(sorted(again), sorted(evidence))
  }, { arbitrary: { runs: 300 } })

  it.effect("is refused when it is no hex, empty or too long, or names no PCR", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decode(wire), wire)
      assert.deepStrictEqual(yield* decode({ ...wire, event_log: null }), { ...wire, event_log: null })
      const longest = "0".repeat(2 * MAX_EVENT_LOG)
      assert.strictEqual((yield* decode({ ...wire, event_log: longest })).event_log, longest)
      const wrong: ReadonlyArray<Partial<Record<keyof BootEvidence, unknown>>> = [
        { quote: "" },
        { quote: "f" },
        { quote: "fg" },
        { quote: "00".repeat(1025) },
        { signature: "00".repeat(1025) },
        { event_log: `${longest}00` },
        { event_log: "" },
        { pcr_values: [{ ...value, pcr: 24 }] },
        { pcr_values: [{ ...value, bank: "md5" }] },
        { pcr_values: [{ ...value, value: "00".repeat(65) }] },
        { pcr_values: Array.from({ length: 97 }, () => value) }
      ]
      for (const change of wrong) {
        const error = yield* Effect.flip(decode({ ...wire, ...change }))
        assert.include(String(error), Object.keys(change).join())
      }
      assert.strictEqual(failure(bootEvidenceFromWire({ ...wire, pcr_values: [value, value] })).field, "pcr_values.1")
    }))

  it.effect("has at most eight intermediates of 8 KiB beside the certificate", () =>
    Effect.gen(function*() {
      const accept = Schema.decodeUnknownEffect(EndorsementCertificates)
      const certificate = "30".repeat(8192)
      const full = { certificate, intermediates: Array.from({ length: 8 }, () => certificate) }
      assert.deepStrictEqual(yield* accept(full), full)
      yield* Effect.flip(accept({ ...full, intermediates: [...full.intermediates, "30"] }))
      yield* Effect.flip(accept({ ...full, certificate: `${certificate}30` }))
    }))
})
