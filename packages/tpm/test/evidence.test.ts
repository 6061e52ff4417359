import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Result, Schema } from "effect"
import { verifyEndorsementCertificate } from "../src/certificate/verifyEndorsementCertificate.ts"
import { decodeEventLog } from "../src/eventlog/EventLog.ts"
import { EventType } from "../src/eventlog/EventType.ts"
import { replayEventLog } from "../src/eventlog/replayEventLog.ts"
import { quoteNonce } from "../src/evidence/quoteNonce.ts"
import { type BootEvidence, verifyBootEvidence } from "../src/evidence/verifyBootEvidence.ts"
import { checkAttestationKey } from "../src/identity/AttestationKey.ts"
import { checkEndorsementKey, endorsementKeyTemplates } from "../src/identity/EndorsementKey.ts"
import type { PcrSelection } from "../src/quote/PcrSelection.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import { toHex } from "../src/structures/Hex.ts"
import { asRoot, authority, caCertificate, ekCertificate } from "./CertificateWriter.ts"
import { failure, keyOf } from "./fixtures.ts"
import { smallBoot, startupLocality, writtenLog } from "./LogWriter.ts"
import { softwareTpm } from "./SoftwareTpm.ts"

const { sha1, sha256 } = Algorithm
const RUNS = 12_000
const selection: PcrSelection = [{ hash: sha256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 12, 14] }]
const now = Date.parse("2026-06-01T00:00:00Z")

/** One machine, and what it sends for a challenge. */
const machine = (challenge: Uint8Array) => {
  const tpm = softwareTpm()
  const eventLog = writtenLog([sha1, sha256], [startupLocality(3), ...smallBoot])
  const pcrValues = Result.getOrThrow(replayEventLog(Result.getOrThrow(decodeEventLog(eventLog)), sha256))
  const quote = tpm.quote({ nonce: quoteNonce(challenge, eventLog), selection, pcrValues })
  const endorsementKey = Result.getOrThrow(checkEndorsementKey(keyOf(endorsementKeyTemplates["ecc-p256"])))
  return {
    tpm,
    attestationKey: Result.getOrThrow(checkAttestationKey(tpm.key)),
    endorsementKey,
    evidence: { ...quote, pcrValues, eventLog } satisfies BootEvidence
  }
}

const challenge = new Uint8Array(32).fill(1)
const [mine, other] = [machine(challenge), machine(challenge)]
const earlier = mine.tpm.quote({
  nonce: quoteNonce(new Uint8Array(32).fill(2), mine.evidence.eventLog),
  selection,
  pcrValues: mine.evidence.pcrValues
})
const good = { attestationKey: mine.attestationKey, challenge, selection, evidence: mine.evidence }

const [root, issuing] = [authority("Root"), authority("Issuing")]
const roots = [asRoot(caCertificate(root, root))]
const certificate = ekCertificate(mine.endorsementKey.public, issuing)
const intermediate = caCertificate(issuing, root)

/** What is sent, and of what a splice may come: the same part of another machine or another time, and the other parts. */
const parts = {
  attestation: [mine.evidence.attestation, other.evidence.attestation, earlier.attestation],
  signature: [mine.evidence.signature, other.evidence.signature, earlier.signature],
  eventLog: [mine.evidence.eventLog, writtenLog([sha1, sha256], smallBoot), writtenLog([sha256], smallBoot)],
  certificate: [certificate, ekCertificate(other.endorsementKey.public, issuing), intermediate],
  intermediate: [intermediate, caCertificate(root, issuing), certificate]
} as const
type Part = keyof typeof parts

const Below = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0x7fff_ffff })))
const Mutation = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("flip"),
    bits: Schema.Array(Below).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(4)))
  }),
  Schema.Struct({ kind: Schema.Literal("cut"), at: Below }),
  Schema.Struct({
    kind: Schema.Literal("grow"),
    by: Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 255 })))).pipe(
      Schema.check(Schema.isMinLength(1), Schema.isMaxLength(16))
    )
  }),
  Schema.Struct({ kind: Schema.Literal("splice"), from: Below, at: Below, until: Below, to: Below }),
  Schema.Struct({ kind: Schema.Literal("exchange"), from: Below })
])
const Attack = Schema.Struct({
  part: Schema.Literals(["attestation", "signature", "eventLog", "certificate", "intermediate"]),
  mutation: Mutation
})

const changed = (part: Part, mutation: typeof Mutation.Type): Uint8Array => {
  const [whole] = parts[part]
  const donor = (from: number): Uint8Array => parts[part][from % parts[part].length] ?? whole
  switch (mutation.kind) {
    case "flip": {
      const flipped = whole.slice()
      for (const bit of mutation.bits) {
        const at = bit % (whole.length * 8)
        flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
      }
      return flipped
    }
    case "cut":
      return whole.slice(0, mutation.at % whole.length)
    case "grow":
      return Uint8Array.from([...whole, ...mutation.by])
    case "splice": {
      const from = donor(mutation.from)
      const at = mutation.at % whole.length
      const head = whole.subarray(0, at)
      const tail = from.subarray(mutation.until % from.length)
      return Uint8Array.from([...head, ...tail.subarray(0, mutation.to % (tail.length + 1))])
    }
    case "exchange":
      return donor(mutation.from).slice()
  }
}

const verifiedCertificate = (change: { readonly certificate?: Uint8Array; readonly intermediate?: Uint8Array }) =>
  verifyEndorsementCertificate({
    certificate: change.certificate ?? certificate,
    intermediates: [change.intermediate ?? intermediate],
    roots,
    endorsementKey: mine.endorsementKey,
    now
  })

describe("boot evidence", () => {
  it("is accepted when nothing was changed, with and without a log", () => {
    const verified = Result.getOrThrow(verifyBootEvidence(good))
    assert.strictEqual(verified.pcrValues.get(sha256)?.size, 10)
    assert.strictEqual(verified.eventLog?.events.length, smallBoot.length + 1)
    const nonce = quoteNonce(challenge, undefined)
    const quote = mine.tpm.quote({ nonce, selection, pcrValues: mine.evidence.pcrValues })
    const evidence = { ...quote, pcrValues: mine.evidence.pcrValues, eventLog: undefined }
    assert.isUndefined(Result.getOrThrow(verifyBootEvidence({ ...good, evidence })).eventLog)
    assert.isTrue(Result.isSuccess(verifiedCertificate({})))
  })

  it.effect("is refused whatever was changed, ten thousand times, with an error that says what", () =>
    Effect.gen(function*() {
      const counts = new Map<string, number>()
      const refuses = (attack: typeof Attack.Type): boolean => {
        const [whole] = parts[attack.part]
        const bytes = changed(attack.part, attack.mutation)
        if (toHex(bytes) === toHex(whole)) return true
        counts.set(attack.part, (counts.get(attack.part) ?? 0) + 1)
        const result: Result.Result<unknown, { readonly _tag: string; readonly message: string }> =
          attack.part === "certificate" || attack.part === "intermediate"
            ? verifiedCertificate({ [attack.part]: bytes })
            : verifyBootEvidence({ ...good, evidence: { ...mine.evidence, [attack.part]: bytes } })
        return Result.isFailure(result) && result.failure.message !== "" &&
          ["QuoteRefused", "CertificateRefused"].includes(result.failure._tag)
      }
      const result = yield* Arbitrary.checkEffect(Arbitrary.schema(Attack), refuses, { runs: RUNS })
      assert.isUndefined(Arbitrary.formatCheckFailure(result))
      assert.isAbove([...counts.values()].reduce((sum, count) => sum + count, 0), 10_000)
      for (const part of Object.keys(parts)) assert.isAbove(counts.get(part) ?? 0, 1000, part)
    }))

  it.prop("a log that was changed before the quote leads elsewhere, or says the same of every PCR that is asked for", [
    Arbitrary.schema(Mutation)
  ], ([mutation]) => {
    const eventLog = changed("eventLog", mutation)
    // The node's own software can make its TPM sign any log: only the PCRs hold it to the truth.
    const nonce = quoteNonce(challenge, eventLog)
    const quote = mine.tpm.quote({ nonce, selection, pcrValues: mine.evidence.pcrValues })
    const result = verifyBootEvidence({ ...good, evidence: { ...mine.evidence, ...quote, eventLog } })
    if (Result.isFailure(result)) {
      assert.include(["MalformedStructure", "EventLogRefused", "EventLogDisagrees"], result.failure._tag)
      return
    }
    const digests = (
      events: ReadonlyArray<
        { readonly pcr: number; readonly type: number; readonly digests: ReadonlyMap<number, Uint8Array> }
      >
    ) =>
      selection[0]?.pcrs.map((pcr) =>
        events.filter((event) => event.pcr === pcr && event.type !== EventType.noAction)
          .map((event) => toHex(event.digests.get(sha256) ?? new Uint8Array()))
      )
    const honest = Result.getOrThrow(decodeEventLog(mine.evidence.eventLog))
    assert.deepStrictEqual(digests(result.success.eventLog?.events ?? []), digests(honest.events))
  }, { arbitrary: { runs: 800 } })

  it("names the PCR where the log leads elsewhere", () => {
    const eventLog = writtenLog([sha1, sha256], [startupLocality(3), ...smallBoot.filter(({ pcr }) => pcr !== 12)])
    const quote = mine.tpm.quote({
      nonce: quoteNonce(challenge, eventLog),
      selection,
      pcrValues: mine.evidence.pcrValues
    })
    const error = failure(verifyBootEvidence({ ...good, evidence: { ...mine.evidence, ...quote, eventLog } }))
    assert.strictEqual(error._tag, "EventLogDisagrees")
    assert.include(error.message, "PCR 12 of sha256")
  })

  it("of another machine, another challenge or without its log is refused", () => {
    const field = (change: Partial<typeof good>, evidence: Partial<BootEvidence> = {}) => {
      const error = failure(verifyBootEvidence({ ...good, ...change, evidence: { ...mine.evidence, ...evidence } }))
      return error._tag === "QuoteRefused" ? error.field : error._tag
    }
    assert.strictEqual(field({ attestationKey: other.attestationKey }), "TPMS_ATTEST.qualifiedSigner")
    assert.strictEqual(field({}, other.evidence), "TPMS_ATTEST.qualifiedSigner")
    assert.strictEqual(field({ challenge: new Uint8Array(32).fill(2) }), "TPMS_ATTEST.extraData")
    assert.strictEqual(field({}, earlier), "TPMS_ATTEST.extraData")
    assert.strictEqual(field({}, { eventLog: undefined }), "TPMS_ATTEST.extraData")
    assert.strictEqual(field({ selection: [{ hash: sha256, pcrs: [0] }] }), "TPMS_ATTEST.attested.pcrSelect")
    assert.strictEqual(
      field({ selection: [{ hash: sha1, pcrs: selection[0]?.pcrs ?? [] }] }),
      "TPMS_ATTEST.attested.pcrSelect"
    )
    const values = new Map([...mine.evidence.pcrValues.get(sha256) ?? [], [14, new Uint8Array(32)] as const])
    assert.strictEqual(field({}, { pcrValues: new Map([[sha256, values]]) }), "TPMS_ATTEST.attested.pcrDigest")
  })
})
