import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Result } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { randomBytes } from "node:crypto"
import { decodeEventLog } from "../../src/eventlog/EventLog.ts"
import { EventType } from "../../src/eventlog/EventType.ts"
import { replayEventLog } from "../../src/eventlog/replayEventLog.ts"
import { quoteNonce } from "../../src/evidence/quoteNonce.ts"
import { verifyBootEvidence } from "../../src/evidence/verifyBootEvidence.ts"
import { checkAttestationKey } from "../../src/identity/AttestationKey.ts"
import { type PcrSelection, pcrSelectionText } from "../../src/quote/PcrSelection.ts"
import type { PcrValues } from "../../src/quote/PcrValues.ts"
import { verifyQuote } from "../../src/quote/verifyQuote.ts"
import { Algorithm } from "../../src/structures/Algorithm.ts"
import { ByteWriter } from "../../src/structures/ByteWriter.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { decodeTpm2bPublic } from "../../src/structures/TpmtPublic.ts"
import { runTool } from "../../src/transport/runTool.ts"
import { bytes, failure, numbers } from "../fixtures.ts"
import { hcrtm, smallBoot, startupLocality, type WrittenEvent, writtenLog } from "../LogWriter.ts"
import { Command, rawTpm } from "./RawTpm.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

const { sha1, sha256, sha384 } = Algorithm
const banks = [sha1, sha256, sha384]
const selection: PcrSelection = [{ hash: sha256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 12, 14] }]
const AK_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign"

/** The values in what tpm2_pcrread and tpm2_eventlog print: a bank's name, and below it lines of `number : 0xvalue`. */
const printedValues = (text: string): PcrValues => {
  const values = new Map<number, Map<number, Uint8Array>>()
  let bank = new Map<number, Uint8Array>()
  for (const line of text.split("\n")) {
    const name = /^ {2}(sha1|sha256|sha384):/.exec(line)?.[1]
    if (name !== undefined) {
      bank = new Map()
      values.set(name === "sha1" ? sha1 : name === "sha256" ? sha256 : sha384, bank)
    }
    const value = /^ +(\d+) *: 0x([0-9a-fA-F]+)/.exec(line)
    if (value !== null) bank.set(Number(value[1]), bytes(value[2] ?? ""))
  }
  return values
}

/** A swtpm and the tools, with a directory for their files. */
const machine = Effect.gen(function*() {
  const { tcti } = yield* swtpm(yield* newTpmState)
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "quotes-" })
  const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
  const at = (name: string): string => `${directory}/${name}`
  /** An attestation key of an algorithm as tpm2-tools write it. */
  const attestationKey = Effect.fnUntraced(function*(algorithm: string) {
    const template = ["-G", algorithm, "-g", "sha256", "-a", AK_ATTRIBUTES]
    yield* run("tpm2_createprimary", ["-Q", "-C", "e", ...template, "-c", at("ak.ctx")])
    yield* run("tpm2_flushcontext", ["-t"])
    yield* run("tpm2_readpublic", ["-Q", "-c", at("ak.ctx"), "-f", "tss", "-o", at("ak.pub")])
    yield* run("tpm2_flushcontext", ["-t"])
    return yield* Effect.fromResult(decodeTpm2bPublic(yield* files.readFile(at("ak.pub"))))
  })
  const quote = Effect.fnUntraced(function*(nonce: Uint8Array, hash: string) {
    const out = ["-m", at("msg"), "-s", at("sig"), "-o", at("pcrs"), "-F", "serialized"]
    const asked = ["-l", pcrSelectionText(selection), "-q", toHex(nonce), "-g", hash]
    yield* run("tpm2_quote", ["-Q", "-c", at("ak.ctx"), ...asked, ...out])
    yield* run("tpm2_flushcontext", ["-t"])
    return { attestation: yield* files.readFile(at("msg")), signature: yield* files.readFile(at("sig")) }
  })
  /** Whether tpm2_checkquote takes a quote for one of this key, for this nonce and the PCR values of the last quote. */
  const checkquote = Effect.fnUntraced(function*(
    quoted: { readonly attestation: Uint8Array; readonly signature: Uint8Array },
    nonce: Uint8Array,
    hash: string
  ) {
    yield* files.writeFile(at("msg.check"), quoted.attestation)
    yield* files.writeFile(at("sig.check"), quoted.signature)
    const given = ["-m", at("msg.check"), "-s", at("sig.check"), "-f", at("pcrs"), "-F", "serialized"]
    const args = ["-Q", "-u", at("ak.pub"), ...given, "-q", toHex(nonce), "-g", hash]
    return Result.isSuccess(yield* Effect.result(run("tpm2_checkquote", args)))
  })
  const pcrs = run("tpm2_pcrread", [pcrSelectionText(banks.map((hash) => ({ hash, pcrs: selection[0]?.pcrs ?? [] })))])
    .pipe(Effect.map((printed) => printedValues(new TextDecoder().decode(printed))))
  return { raw: rawTpm(tcti), run, files, at, attestationKey, quote, checkquote, pcrs }
})

/** Boots anew from a locality, an H-CRTM first when the events begin with one, and extends what they say. */
const boot = Effect.fnUntraced(function*(
  raw: ReturnType<typeof rawTpm>,
  locality: number,
  events: ReadonlyArray<WrittenEvent>
) {
  yield* raw.powerCycle
  const [first] = events
  if (first?.type === EventType.efiHcrtm) {
    yield* raw.hashStart
    yield* raw.hashData(first.data)
    yield* raw.hashEnd
  }
  yield* raw.setLocality(locality)
  yield* raw.run(Command.startup, { parameters: new Uint8Array(2) })
  yield* raw.setLocality(0)
  const log = Result.getOrThrow(decodeEventLog(writtenLog(banks, events)))
  for (const { pcr, type, digests } of log.events) {
    if (type === EventType.noAction || type === EventType.efiHcrtm) continue
    const parameters = new ByteWriter().u32(digests.size)
    for (const [hash, digest] of digests) parameters.u16(hash).bytes(digest)
    yield* raw.run(Command.pcrExtend, { handles: [pcr], sessions: 1, parameters: parameters.done() })
  }
})

describe("event logs and a real TPM", () => {
  it.live.each([
    { from: "locality 0", locality: 0, events: smallBoot },
    { from: "locality 3", locality: 3, events: [startupLocality(3), ...smallBoot] },
    { from: "an H-CRTM", locality: 0, events: [hcrtm, ...smallBoot] }
  ])(
    "replays to what tpm2_eventlog says and the TPM has, started from $from",
    ({ locality, events }) =>
      Effect.gen(function*() {
        const { raw, run, files, at, attestationKey, quote, pcrs } = yield* machine
        const eventLog = writtenLog(banks, events)
        yield* boot(raw, locality, events)
        yield* files.writeFile(at("log"), eventLog)
        const told = printedValues(new TextDecoder().decode(yield* run("tpm2_eventlog", [at("log")])))
        const had = yield* pcrs
        const log = Result.getOrThrow(decodeEventLog(eventLog))
        for (const hash of banks) {
          const replayed = Result.getOrThrow(replayEventLog(log, hash)).get(hash)
          assert.strictEqual(told.get(hash)?.size, 10)
          for (const pcr of selection[0]?.pcrs ?? []) {
            // tpm2_eventlog 5.4 knows no H-CRTM, and extends what must not be (tpm2-tools, issue 3224).
            if (pcr !== 0 || events === smallBoot) {
              assert.deepStrictEqual(replayed?.get(pcr), told.get(hash)?.get(pcr), `tpm2_eventlog, PCR ${pcr}`)
            }
            assert.deepStrictEqual(replayed?.get(pcr), had.get(hash)?.get(pcr), `the TPM, PCR ${pcr}`)
          }
        }
        const key = Result.getOrThrow(checkAttestationKey(yield* attestationKey("ecc256:ecdsa-sha256:null")))
        const challenge = new Uint8Array(randomBytes(32))
        const quoted = yield* quote(quoteNonce(challenge, eventLog), "sha256")
        const asked = { attestationKey: key, challenge, selection }
        const evidence = { ...quoted, pcrValues: had, eventLog }
        const verified = Result.getOrThrow(verifyBootEvidence({ ...asked, evidence }))
        assert.isAbove(verified.quote.clockInfo.resetCount, 0)
        // Something more is measured: the log does not lead there any more.
        const digest = new Uint8Array(randomBytes(32))
        const parameters = new ByteWriter().u32(1).u16(sha256).bytes(digest).done()
        yield* raw.run(Command.pcrExtend, { handles: [14], sessions: 1, parameters })
        const later = yield* quote(quoteNonce(challenge, eventLog), "sha256")
        const error = failure(
          verifyBootEvidence({ ...asked, evidence: { ...later, pcrValues: yield* pcrs, eventLog } })
        )
        assert.strictEqual(error._tag === "EventLogDisagrees" ? error.pcr : error._tag, 14)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("quotes of a real TPM", () => {
  const schemes = [["ecc256:ecdsa-sha256:null", "sha256"], ["ecc384:ecdsa-sha384:null", "sha384"], [
    "rsa2048:rsassa-sha256:null",
    "sha256"
  ]] as const
  it.live.each(schemes)(
    "are judged as tpm2_checkquote judges them, whole and damaged, %s",
    ([algorithm, hash]) =>
      Effect.gen(function*() {
        const { raw, attestationKey, quote, checkquote, pcrs } = yield* machine
        yield* boot(raw, 0, smallBoot)
        const key = yield* attestationKey(algorithm)
        const pcrValues = yield* pcrs
        const next = numbers(3)
        for (let round = 0; round < 2; round += 1) {
          const nonce = new Uint8Array(randomBytes(16 + round * 16))
          const quoted = yield* quote(nonce, hash)
          const ours = (change: object) =>
            verifyQuote({ ...quoted, attestationKey: key, nonce, selection, expected: { pcrValues }, ...change })
          assert.isTrue(Result.isSuccess(ours({})))
          assert.isTrue(yield* checkquote(quoted, nonce, hash))
          const wrong = nonce.map((byte, at) => at === 0 ? byte ^ 1 : byte)
          assert.strictEqual(failure(ours({ nonce: wrong })).field, "TPMS_ATTEST.extraData")
          assert.isFalse(yield* checkquote(quoted, wrong, hash))
          for (let damage = 0; damage < 12; damage += 1) {
            const part = damage % 2 === 0 ? "attestation" : "signature"
            const changed = new Uint8Array(quoted[part])
            const bit = next(changed.length * 8)
            changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
            const cut = damage >= 10 ? changed.subarray(0, -1 - next(20)) : changed
            assert.isTrue(Result.isFailure(ours({ [part]: cut })), `${part} bit ${bit}`)
            assert.isFalse(yield* checkquote({ ...quoted, [part]: cut }, nonce, hash), `${part} bit ${bit}`)
          }
          // The one damage that it does not see.
          const trailing = { ...quoted, signature: Uint8Array.from([...quoted.signature, 0]) }
          assert.isTrue(yield* checkquote(trailing, nonce, hash))
          assert.strictEqual(failure(ours(trailing)).field, "TPMT_SIGNATURE.end")
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
