import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result, Schema } from "effect"
import { emptyPassword } from "../src/command/Command.ts"
import { entityOf, owner } from "../src/command/Entity.ts"
import { nvReadCommand, nvWriteCommand } from "../src/command/nv.ts"
import {
  commandDigest,
  decryptFirst,
  encryptFirst,
  type ProtectedSession,
  responseDigest,
  sessionHmac,
  sessionKey
} from "../src/session/ProtectedSession.ts"
import { type Authorisation, sealCommand } from "../src/session/sealCommand.ts"
import { ByteWriter } from "../src/structures/ByteWriter.ts"
import { toHex } from "../src/structures/Hex.ts"
import { numbers } from "./fixtures.ts"

const INDEX = { handle: 0x0180_0821, name: entityOf(0x0180_0821).name }

const bytesOf = (next: (below: number) => number, size: number) => Uint8Array.from({ length: size }, () => next(256))

const sessionOf = (next: (below: number) => number): ProtectedSession => {
  const nonceTpm = bytesOf(next, 32)
  return { handle: 0x0200_0000, key: sessionKey(bytesOf(next, 32), nonceTpm, bytesOf(next, 32)), nonceTpm }
}

/** What a TPM does that has the session's key and was asked with this nonce, for a read of `data`. */
const answerOf = (session: ProtectedSession, nonceCaller: Uint8Array, nonce: Uint8Array, data: Uint8Array) => {
  const nonces = { newer: nonce, older: nonceCaller }
  const parameters = encryptFirst(session.key, nonces, new ByteWriter().sized(data).done())
  const attributes = 0x41
  const hmac = sessionHmac(session.key, responseDigest(0x14e, parameters), nonces, attributes)
  return { answer: "done", handle: 0, parameters, sessions: [{ nonce, attributes, hmac }] } as const
}

describe("a protected session", () => {
  it.prop("encrypts the buffer of the first parameter and nothing else, and decrypts it", [Schema.Int], ([seed]) => {
    const next = numbers(seed)
    const { key } = sessionOf(next)
    const nonces = { newer: bytesOf(next, 32), older: bytesOf(next, 32) }
    const data = bytesOf(next, next(600))
    const parameters = new ByteWriter().sized(data).bytes(bytesOf(next, next(20))).done()
    const encrypted = encryptFirst(key, nonces, parameters)
    assert.strictEqual(encrypted.length, parameters.length)
    assert.strictEqual(toHex(encrypted.subarray(0, 2)), toHex(parameters.subarray(0, 2)))
    assert.strictEqual(toHex(encrypted.subarray(2 + data.length)), toHex(parameters.subarray(2 + data.length)))
    if (data.length > 8) assert.notInclude(toHex(encrypted), toHex(data))
    assert.strictEqual(toHex(decryptFirst(key, nonces, encrypted)), toHex(parameters))
    // The directions and every pair of nonces have keys of their own.
    if (data.length > 8) {
      const turned = encryptFirst(key, { newer: nonces.older, older: nonces.newer }, parameters)
      assert.notStrictEqual(toHex(turned), toHex(encrypted))
    }
  })

  it.prop("takes the TPM's answer, and none that is changed in any bit", [Schema.Int], ([seed]) => {
    const next = numbers(seed)
    const session = sessionOf(next)
    const before = session.nonceTpm
    const nonceCaller = bytesOf(next, 32)
    const read = nvReadCommand(owner, INDEX, 0, 16)
    const sealed = sealCommand(read, [{ protectedBy: session, decrypt: false, encrypt: true }], () => nonceCaller)
    const data = bytesOf(next, 16)
    const answer = answerOf(session, nonceCaller, bytesOf(next, 32), data)
    const [said] = answer.sessions
    const flipped = (bytes: Uint8Array) => {
      const changed = Uint8Array.from(bytes)
      const bit = next(changed.length * 8)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return changed
    }
    const forged = [
      { ...answer, parameters: flipped(answer.parameters) },
      { ...answer, sessions: [{ ...said, nonce: flipped(said.nonce) }] },
      { ...answer, sessions: [{ ...said, hmac: flipped(said.hmac) }] },
      { ...answer, sessions: [{ ...said, hmac: new Uint8Array() }] },
      { ...answer, sessions: [{ ...said, attributes: said.attributes ^ (1 << next(8)) }] },
      { ...answer, sessions: [] },
      answerOf(sessionOf(next), nonceCaller, said.nonce, data),
      answerOf(session, flipped(nonceCaller), said.nonce, data)
    ]
    for (const one of forged) {
      assert.isTrue(Result.isFailure(sealed.open(one)))
      // A nonce is taken over only from who has the key.
      assert.strictEqual(session.nonceTpm, before)
    }
    const opened = Result.getOrThrow(sealed.open(answer))
    assert.strictEqual(toHex(opened.parameters), toHex(new ByteWriter().sized(data).done()))
    assert.strictEqual(session.nonceTpm, said.nonce)
  })

  it("authorises what is sent: the encrypted parameters, and the Names", () => {
    const next = numbers(1)
    const session = sessionOf(next)
    const nonceCaller = bytesOf(next, 32)
    const data = bytesOf(next, 40)
    const write = nvWriteCommand(owner, INDEX, 0, data)
    const { bytes } = sealCommand(write, [{ protectedBy: session, decrypt: true, encrypt: false }], () => nonceCaller)
    assert.notInclude(toHex(bytes), toHex(data))
    const sent = bytes.subarray(bytes.length - write.parameters.length)
    const nonces = { newer: nonceCaller, older: session.nonceTpm }
    assert.include(toHex(bytes), toHex(sessionHmac(session.key, commandDigest(write, sent), nonces, 0x21)))
    const renamed = { ...write, handles: [owner, { ...INDEX, name: data }] }
    assert.notStrictEqual(toHex(commandDigest(renamed, sent)), toHex(commandDigest(write, sent)))
  })

  it("is alone where it encrypts", () => {
    const session = { protectedBy: sessionOf(numbers(2)), decrypt: false, encrypt: true }
    const seal = (authorisations: ReadonlyArray<Authorisation>) =>
      sealCommand(nvReadCommand(owner, INDEX, 0, 1), authorisations, () => new Uint8Array(32))
    assert.throws(() => seal([session, session]), RangeError)
    seal([emptyPassword, session])
  })

  it("has a key that cannot be printed", () => {
    const { key } = sessionOf(numbers(3))
    assert.notInclude(JSON.stringify({ key }) + String(key), toHex(Redacted.value(key)))
  })
})
