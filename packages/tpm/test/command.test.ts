import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result, Schema } from "effect"
import { activateCredential } from "../src/command/activateCredential.ts"
import {
  loadExternal,
  policyAuthorize,
  policyGetDigest,
  policyPcr,
  verifySignature
} from "../src/command/authorisedPolicy.ts"
import { type Command, emptyPassword, encodeCommand, fulfilledPolicy } from "../src/command/Command.ts"
import { contextLoad, contextSave, flushContext } from "../src/command/context.ts"
import { entityOf, HandleRange, owner } from "../src/command/Entity.ts"
import { getHandles, getProperty, Property } from "../src/command/getCapability.ts"
import { nvDefineSpace, nvReadCommand, nvReadPublic, nvWriteCommand } from "../src/command/nv.ts"
import { encodePcrSelection, pcrRead } from "../src/command/pcr.ts"
import { policyOr, policySecret, SessionKind, startAuthSession } from "../src/command/policySession.ts"
import { createPrimary } from "../src/command/primaryKey.ts"
import { isWhole, readParameters, readResponse, type Response } from "../src/command/response.ts"
import { endorsementKeyPublic } from "../src/identity/publicTemplate.ts"
import { Algorithm } from "../src/structures/Algorithm.ts"
import { toHex } from "../src/structures/Hex.ts"
import { bytes, ekHex, failure, mutated, numbers } from "./fixtures.ts"

const INDEX = entityOf(0x0180_0821)
const read = nvReadCommand(owner, INDEX, 7, 5)

/** What a TPM answers to a read of five bytes, of an index that is absent, and of one that was never written. */
const answers = {
  data: bytes("8002 0000001a 00000000 00000007 0005 0102030405 0000 00 0000"),
  absent: bytes("8001 0000000a 0000018b"),
  unwritten: bytes("8001 0000000a 0000014a")
}

describe("the bytes of a command", () => {
  it("are header, handles, authorisation area and parameters", () => {
    assert.strictEqual(
      toHex(encodeCommand(nvReadCommand(owner, INDEX, 7, 52), [emptyPassword])),
      toHex(bytes("8002 00000023 0000014e 40000001 01800821 00000009 40000009 0000 00 0000 0034 0007"))
    )
    assert.strictEqual(
      toHex(encodeCommand(getProperty(Property.manufacturer), [])),
      toHex(bytes("8001 00000016 0000017a 00000006 00000105 00000001"))
    )
    assert.strictEqual(
      toHex(encodeCommand(nvWriteCommand(owner, INDEX, 2, bytes("aabb")), [emptyPassword])),
      toHex(bytes("8002 00000025 00000137 40000001 01800821 00000009 40000009 0000 00 0000 0002 aabb 0002"))
    )
    assert.strictEqual(
      toHex(encodeCommand(flushContext(0x8000_0001), [])),
      toHex(bytes("8001 0000000e 00000165 80000001"))
    )
  })

  it("have a session for each handle that needs one, in the order of the handles", () => {
    const credential = { blob: bytes("0002 aabb"), secret: bytes("0001 cc") }
    const command = activateCredential(entityOf(0x8000_0001), entityOf(0x8000_0002), credential)
    assert.strictEqual(
      toHex(encodeCommand(command, [emptyPassword, fulfilledPolicy(0x0300_0000)])),
      toHex(bytes(
        "8002 0000002f 00000147 80000001 80000002 00000012 40000009 0000 00 0000 03000000 0000 00 0000 0002aabb 0001cc"
      ))
    )
  })

  it("say which PCRs, and refuse one that is not there", () => {
    assert.strictEqual(
      toHex(encodePcrSelection({ bank: Algorithm.sha256, pcrs: [0, 7, 12, 23] })),
      toHex(bytes("00000001 000b 03 811080"))
    )
    for (const pcr of [-1, 24, 1.5]) {
      assert.throws(() => encodePcrSelection({ bank: Algorithm.sha256, pcrs: [pcr] }), RangeError)
    }
  })
})

const credential = { blob: bytes("0000"), secret: bytes("0000") }
const digest = new Uint8Array(32)
/** A response with the sizes that belong to it. */
const done = (sessions: number, parameters: string, handle = ""): Uint8Array => {
  const size = (count: number) => count.toString(16).padStart(8, "0")
  const inner = toHex(bytes(parameters))
  const area = sessions === 0 ? inner : `${size(inner.length / 2)}${inner}${"0000010000".repeat(sessions)}`
  return bytes(
    `${sessions === 0 ? "8001" : "8002"} ${size(10 + (handle.length + area.length) / 2)} 00000000 ${handle}${area}`
  )
}

/** Commands, how many authorisations they have, and an answer to each. */
const commands: ReadonlyArray<readonly [Command<unknown>, number, Uint8Array]> = [
  [read, 1, answers.data],
  [read, 1, answers.absent],
  [getHandles(HandleRange.nvIndex), 0, done(0, "00 00000001 00000002 01800820 01800821")],
  [nvReadPublic(INDEX.handle), 0, done(0, "000e 01800821 000b 22020002 0000 0800 0004 000baabb")],
  [nvDefineSpace({ index: 1, size: 1, attributes: 0, authPolicy: digest }), 1, done(1, "")],
  [pcrRead({ bank: Algorithm.sha256, pcrs: [0] }), 0, done(0, "00000001 00000001 000b 03 010000 00000001 0002 aabb")],
  [
    createPrimary(endorsementKeyPublic("ecc-p256")),
    1,
    done(1, `${ekHex} 0000 0000 8021 4000000b 0000 0002 aabb`, "80000000")
  ],
  [activateCredential(owner, owner, credential), 2, done(2, "0002 aabb")],
  [policySecret(owner, 1), 1, done(1, "0000 8023 40000007 0000")],
  [policyPcr(1, { bank: Algorithm.sha256, pcrs: [12] }), 0, done(0, "")],
  [policyGetDigest(1), 0, done(0, "0002 aabb")],
  [loadExternal(endorsementKeyPublic("ecc-p256")), 0, done(0, "0002 aabb", "80000000")],
  [verifySignature(owner, digest, digest), 0, done(0, "8022 40000001 0000")],
  [policyAuthorize(1, { policy: digest, reference: digest, keyName: digest, ticket: digest }), 0, done(0, "")],
  [policyOr(1, [digest, digest]), 0, done(0, "")],
  [contextLoad(digest), 0, done(0, "", "80000000")],
  [contextSave(1), 0, done(0, "aabb")]
]

/** Reads a response as the transport does. */
const understood = <A>(command: Command<A>, sessions: number, answer: Uint8Array) =>
  Result.flatMap(
    readResponse(command, sessions, answer),
    (response): Result.Result<A | number, unknown> =>
      response.answer === "refused" ? Result.succeed(response.code) : readParameters(command, response)
  )

describe("a response", () => {
  it("is data or a refusal, and nothing that is not just what was asked for", () => {
    const data = bytes("0102030405")
    assert.deepStrictEqual(Result.getOrThrow(understood(read, 1, answers.data)), data)
    assert.strictEqual(Result.getOrThrow(understood(read, 1, answers.absent)), 0x18b)
    for (const size of [4, 6]) {
      assert.isTrue(Result.isFailure(understood(nvReadCommand(owner, INDEX, 0, size), 1, answers.data)))
    }
    // A session more or less than the command had.
    for (const sessions of [0, 2]) assert.isTrue(Result.isFailure(understood(read, sessions, answers.data)))
    for (const answer of Object.values(answers)) {
      assert.isTrue(isWhole(answer))
      for (let length = 0; length < answer.length; length += 1) {
        assert.isFalse(isWhole(answer.subarray(0, length)))
        assert.isTrue(Result.isFailure(understood(read, 1, answer.subarray(0, length))))
      }
    }
  })

  it("with a handle has it before the parameters", () => {
    const answer = bytes("8001 00000012 00000000 03000000 0002 aabb")
    const start = startAuthSession({
      kind: SessionKind.policy,
      nonceCaller: new Uint8Array(16),
      hash: Algorithm.sha256
    })
    assert.deepStrictEqual(Result.getOrThrow(understood(start, 0, answer)), {
      handle: 0x0300_0000,
      nonceTpm: bytes("aabb")
    })
  })

  it("that tells to ask for more where nothing new was given is the last", () => {
    const answer = (handles: ReadonlyArray<string>) =>
      done(0, `01 00000001 ${handles.length.toString(16).padStart(8, "0")} ${handles.join("")}`)
    const asked = getHandles(HandleRange.nvIndex)
    assert.deepStrictEqual(Result.getOrThrow(understood(asked, 0, answer(["01800820"]))), {
      handles: [0x0180_0820],
      more: true
    })
    for (const handles of [[], ["00800000"]]) {
      const found = Result.getOrThrow(understood(asked, 0, answer(handles)))
      assert.isFalse(typeof found === "number" || found.more)
    }
  })

  it("with a property that was not asked for is refused", () => {
    const answer = bytes("8001 0000001b 00000000 01 00000006 00000001 00000106 53572020")
    assert.include(
      String(failure(understood(getProperty(Property.manufacturer), 0, answer))),
      "has no 0x105"
    )
  })

  it("is understood for every command", () => {
    for (const [command, sessions, answer] of commands) Result.getOrThrow(understood(command, sessions, answer))
  })

  it.prop(
    "that was altered is refused or keeps its form, whatever the command",
    [Schema.Int],
    ([seed]) => {
      const next = numbers(seed)
      for (const [command, sessions, answer] of commands) {
        const altered = mutated(answer, next)
        isWhole(altered)
        const found: Result.Result<Response, unknown> = readResponse(command, sessions, altered)
        if (Result.isFailure(found) || found.success.answer === "refused") continue
        assert.strictEqual(found.success.sessions.length, sessions)
        const value = readParameters(command, found.success)
        if (command === read && Result.isSuccess(value)) {
          assert.isTrue(value.success instanceof Uint8Array && value.success.length === 5)
        }
      }
    },
    { arbitrary: { runs: 500 } }
  )

  it("of an activation cannot be printed", () => {
    const command = activateCredential(owner, owner, { blob: bytes("0000"), secret: bytes("0000") })
    const opened = Result.getOrThrow(understood(command, 2, done(2, "0002 aabb")))
    if (typeof opened === "number") return assert.fail("it is not refused")
    assert.deepStrictEqual(Redacted.value(opened), bytes("aabb"))
    assert.notInclude(JSON.stringify(opened), "aa")
  })
})
