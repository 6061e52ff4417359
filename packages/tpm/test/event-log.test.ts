import { assert, describe, it } from "@effect/vitest"
import { MAX_EVENT_LOG } from "@patela/domain/attestation/BootEvidence"
import { Result, Schema } from "effect"
import { createHash } from "node:crypto"
import { decodeEventLog, type EventLog } from "../src/eventlog/EventLog.ts"
import { EventType } from "../src/eventlog/EventType.ts"
import { firstDifference } from "../src/eventlog/firstDifference.ts"
import { replayEventLog } from "../src/eventlog/replayEventLog.ts"
import type { PcrValues } from "../src/quote/PcrValues.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import { toHex } from "../src/structures/Hex.ts"
import { bytes, failure } from "./fixtures.ts"
import {
  crtmVersion,
  digestOf,
  hcrtm,
  header,
  smallBoot,
  specId,
  startupLocality,
  writtenEvent,
  writtenLog
} from "./LogWriter.ts"

const { sha1, sha256, sha384 } = Algorithm
const banks = [sha1, sha256, sha384]
const log = writtenLog(banks, smallBoot)

const read = (written: Uint8Array): EventLog => Result.getOrThrow(decodeEventLog(written))
const replayed = (written: Uint8Array, hash: number): PcrValues =>
  Result.getOrThrow(replayEventLog(read(written), hash))
const valueOf = (values: PcrValues, hash: number, pcr: number): string =>
  toHex(values.get(hash)?.get(pcr) ?? new Uint8Array())
const decodeField = (written: Uint8Array): string => failure(decodeEventLog(written)).field
const replayField = (written: Uint8Array): string => failure(replayEventLog(read(written), sha256)).field

const Events = Schema.Array(Schema.Struct({
  pcr: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 23 }))),
  type: Schema.Literals([EventType.noAction, EventType.separator, EventType.ipl, 0x1234_5678]),
  data: Schema.Uint8Array
}))

describe("event logs", () => {
  it.prop("gives back the events that were written, and their PCRs", [Events], ([events]) => {
    const written = writtenLog([sha256, sha1], events)
    const found = read(written)
    assert.deepStrictEqual(found.algorithms, [sha256, sha1])
    assert.deepStrictEqual(
      found.events.map(({ pcr, type, data }) => ({ pcr, type, data: toHex(data) })),
      events.map(({ pcr, type, data }) => ({ pcr, type, data: toHex(data) }))
    )
    for (const hash of [sha256, sha1]) {
      const name = hash === sha1 ? "sha1" : "sha256"
      const values = replayed(written, hash)
      assert.strictEqual(values.get(hash)?.size, 24)
      for (let pcr = 0; pcr < 24; pcr += 1) {
        const extended = events.filter((event) => event.pcr === pcr && event.type !== EventType.noAction)
        const untouched = pcr >= 17 && pcr <= 22 && extended.length === 0
        const expected = extended.reduce(
          (value, { data }) => createHash(name).update(value).update(digestOf(hash, data)).digest(),
          Buffer.alloc(name === "sha1" ? 20 : 32, untouched ? 0xff : 0)
        )
        assert.strictEqual(valueOf(values, hash, pcr), expected.toString("hex"))
      }
    }
  }, { arbitrary: { runs: 200 } })

  it("does not extend EV_NO_ACTION, and takes PCR 0 from the startup locality", () => {
    const noAction = { pcr: 3, type: EventType.noAction, data: Buffer.from("nothing") }
    assert.deepStrictEqual(replayed(writtenLog(banks, [noAction, ...smallBoot]), sha256), replayed(log, sha256))
    const anywhere = { pcr: 0xffff_ffff, type: EventType.noAction, data: Buffer.alloc(0) }
    assert.deepStrictEqual(replayed(writtenLog(banks, [anywhere, ...smallBoot]), sha256), replayed(log, sha256))
    for (const locality of [0, 3, 4]) {
      assert.strictEqual(
        valueOf(replayed(writtenLog(banks, [startupLocality(locality)]), sha384), sha384, 0),
        `${"00".repeat(47)}0${locality}`
      )
    }
    const from3 = replayed(writtenLog(banks, [startupLocality(3), ...smallBoot]), sha256)
    const selection = [{ hash: sha256, pcrs: [1, 2, 3, 0, 4] }]
    assert.strictEqual(firstDifference(selection, from3, replayed(log, sha256))?.pcr, 0)
  })

  it("begins PCR 0 at 4 after an H-CRTM, whatever the startup locality", () => {
    const first = createHash("sha256").update(Buffer.from(`${"00".repeat(31)}04`, "hex"))
      .update(digestOf(sha256, hcrtm.data)).digest("hex")
    for (const before of [[], [startupLocality(3)], [startupLocality(4)]]) {
      assert.strictEqual(valueOf(replayed(writtenLog(banks, [...before, hcrtm]), sha256), sha256, 0), first)
    }
    const late = valueOf(replayed(writtenLog(banks, [crtmVersion, hcrtm]), sha256), sha256, 0)
    assert.notStrictEqual(
      late,
      valueOf(replayed(writtenLog(banks, [startupLocality(4), crtmVersion, hcrtm]), sha256), sha256, 0)
    )
  })

  it("refuses a startup locality that is late, doubled, of no known value, or of another form", () => {
    const of = (...events: ReadonlyArray<(typeof smallBoot)[number]>) => replayField(writtenLog(banks, events))
    assert.strictEqual(of(crtmVersion, startupLocality(3)), "event log.events.1")
    assert.strictEqual(of(startupLocality(3), startupLocality(3)), "event log.events.0")
    assert.strictEqual(of(startupLocality(2)), "event log.events.0")
    const longer = { ...startupLocality(3), data: Buffer.from("StartupLocality\0\x03\x00") }
    assert.strictEqual(of(longer), "event log.events.0")
    assert.strictEqual(of({ ...longer, data: Buffer.from("StartupLocality\0") }), "event log.events.0")
  })

  it("says which PCR is the first that differs", () => {
    const other = writtenLog(
      banks,
      smallBoot.map((event) => event.pcr === 12 ? { ...event, data: bytes("00") } : event)
    )
    const selection = [{ hash: sha256, pcrs: [0, 4, 7, 12, 14] }]
    const found = firstDifference(selection, replayed(log, sha256), replayed(other, sha256))
    assert.strictEqual(found?.pcr, 12)
    assert.strictEqual(found?.expected, valueOf(replayed(log, sha256), sha256, 12))
    assert.strictEqual(found?.found, valueOf(replayed(other, sha256), sha256, 12))
    assert.isUndefined(
      firstDifference([{ hash: sha256, pcrs: [0, 4] }], replayed(log, sha256), replayed(other, sha256))
    )
    // What is not there is no equal of what is not there either.
    assert.strictEqual(firstDifference(selection, new Map(), new Map())?.pcr, 0)
  })

  it("refuses a bank that the log has no digests of", () => {
    assert.strictEqual(replayField(writtenLog([sha1], smallBoot)), "event log.header.event.digestSizes")
    // SM3 can stand in a log, and be passed over.
    const foreign = Buffer.concat([header(specId([[0x12, 32], [sha256, 32]]))])
    assert.isTrue(Result.isSuccess(replayEventLog(read(foreign), sha256)))
    assert.strictEqual(
      failure(replayEventLog(read(foreign), 0x12)).message,
      "event log.header.event.digestSizes has no 0x12 that can be replayed: 0x12, sha256"
    )
  })

  it("names what is wrong with a log", () => {
    const head = header(specId([[sha256, 32]]))
    const event = (change: object) =>
      writtenEvent([sha256], { pcr: 1, type: EventType.separator, data: new Uint8Array(4), ...change })
    const after = (...parts: ReadonlyArray<Uint8Array>) => decodeField(Buffer.concat([head, ...parts]))
    assert.isTrue(Result.isSuccess(decodeEventLog(Buffer.concat([head, event({})]))))
    assert.strictEqual(decodeField(new Uint8Array()), "event log.header.pcrIndex")
    assert.strictEqual(after(event({ pcr: 24 })), "event log.events.0.pcrIndex")
    assert.strictEqual(after(event({ pcr: 0xffff_ffff })), "event log.events.0.pcrIndex")
    assert.strictEqual(after(event({}), event({}).subarray(0, -1)), "event log.events.1.event")
    assert.strictEqual(after(event({}), Buffer.alloc(1)), "event log.events.1.pcrIndex")
    assert.strictEqual(after(Buffer.alloc(64)), "event log.events.0.digests.count")
    assert.strictEqual(after(writtenEvent([sha1], crtmVersion)), "event log.events.0.digests.0.hashAlg")
    const both = header(specId([[sha256, 32], [sha1, 20]]))
    const twice = Buffer.concat([both, writtenEvent([sha256, sha256], crtmVersion)])
    assert.strictEqual(decodeField(twice), "event log.events.0.digests.1.hashAlg")
    const one = Buffer.concat([both, writtenEvent([sha256], crtmVersion)])
    assert.strictEqual(decodeField(one), "event log.events.0.digests.count")
  })

  it("names what is wrong with its header", () => {
    assert.strictEqual(decodeField(header(specId([]))), "event log.header.event.numberOfAlgorithms")
    const many = Array.from({ length: 9 }, (_, at) => [0x100 + at, 32] as const)
    assert.strictEqual(decodeField(header(specId(many))), "event log.header.event.numberOfAlgorithms")
    assert.strictEqual(decodeField(header(specId([[sha256, 20]]))), "event log.header.event.digestSizes.0.digestSize")
    assert.strictEqual(
      decodeField(header(specId([[sha256, 32], [sha256, 32]]))),
      "event log.header.event.digestSizes.1"
    )
    assert.strictEqual(decodeField(header(Buffer.from("Spec ID Event02\0"))), "event log.header.event.signature")
    const longer = Buffer.concat([specId([[sha256, 32]]), Buffer.alloc(1)])
    assert.strictEqual(decodeField(header(longer)), "event log.header.event.end")
    for (const [at, byte] of [[0, 1], [4, 4]] as const) {
      const other = header(specId([[sha256, 32]]))
      other[at] = byte
      assert.strictEqual(decodeField(other), "event log.header")
    }
    const measured = header(specId([[sha256, 32]]))
    measured[8] = 1
    assert.strictEqual(decodeField(measured), "event log.header.digest")
  })

  it("reads no more than so many bytes and events", () => {
    const event = { pcr: 1, type: EventType.ipl, data: new Uint8Array(MAX_EVENT_LOG) }
    assert.strictEqual(decodeField(writtenLog(banks, [event])), "event log.size")
    const many = (count: number) =>
      writtenLog([sha256], Array.from({ length: count }, () => ({ ...event, data: new Uint8Array() })))
    assert.strictEqual(read(many(4096)).events.length, 4096)
    assert.strictEqual(decodeField(many(4097)), "event log.events")
  })

  it("refuses every truncation that does not end between two events", () => {
    const ends = new Set(
      smallBoot.map((_, at) => writtenLog(banks, smallBoot.slice(0, at)).length).concat(log.length)
    )
    for (let size = 0; size < log.length; size += 1) {
      assert.strictEqual(Result.isSuccess(decodeEventLog(log.subarray(0, size))), ends.has(size))
    }
  })
})
