import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, Option, Redacted } from "effect"
import { CommandCode } from "../../src/command/CommandCode.ts"
import { KeyStore } from "../../src/store/KeyStore.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { authenticate } from "./Authenticate.ts"
import { goBetween, refusal } from "./GoBetween.ts"
import { holds, relays, storeOn } from "./StoreOnTpm.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"
import { tpmBy, transports } from "./Transports.ts"

const kinds: ReadonlyArray<EndorsementKeyKind> = ["ecc-p256", "rsa-2048", "ecc-p384"]
const INDEX = 0x0180_0999

/** Bytes of a secret in a row that are too many to be there by chance. */
const WINDOW = 8

/** How many windows of a secret were heard. */
const heardOf = (secret: Uint8Array, heard: Buffer): number =>
  Array.from(
    { length: secret.length - WINDOW + 1 },
    (_, at) => heard.includes(Buffer.from(secret.subarray(at, at + WINDOW)))
  )
    .filter((found) => found).length

/** A swtpm, the way to it, and everything that went over that way in either direction. */
const overheard = Effect.gen(function*() {
  const { tcti } = yield* swtpm(yield* newTpmState)
  const heard: Array<Buffer> = []
  const between = yield* goBetween(tcti, {
    command: (_, bytes) => {
      heard.push(Buffer.from(bytes))
      return "the TPM's"
    },
    response: (_, bytes) => {
      heard.push(Buffer.from(bytes))
      return bytes
    }
  })
  return { between, heard: () => Buffer.concat(heard.splice(0)) }
})

describe("a listener between this process and the TPM", () => {
  it.live.each(transports)(
    "hears keys that are saved and read from tpm2-tools only: by %s",
    (transport) =>
      Effect.gen(function*() {
        const { between, heard } = yield* overheard
        const entries = relays(13)
        yield* Effect.gen(function*() {
          const store = yield* KeyStore
          yield* store.write(relays(3))
          yield* store.write(entries)
          const saving = heard()
          yield* holds(entries)
          const reading = heard()
          for (const said of [saving, reading]) {
            assert.isAbove(said.length, 13 * 192)
            for (const secret of entries.values()) {
              const windows = heardOf(Redacted.value(secret), said)
              if (transport === "direct") assert.strictEqual(windows, 0)
              // A key that lies across two pieces lacks the windows across the cut.
              else assert.isAbove(windows, 192 - 3 * WINDOW)
            }
          }
        }).pipe(Effect.provide(storeOn(transport, between)))
      }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live.each(kinds.flatMap((kind) => transports.map((transport) => [kind, transport] as const)))(
    "hears the credential that is opened from tpm2-tools only: endorsement key %s, by %s",
    ([kind, transport]) =>
      Effect.gen(function*() {
        const { between, heard } = yield* overheard
        yield* Effect.gen(function*() {
          const { credential, key } = yield* authenticate
          const opened = yield* (yield* Tpm).activateCredential(credential)
          assert.deepStrictEqual(Redacted.value(opened), key)
          const windows = heardOf(key, heard())
          assert.strictEqual(windows, transport === "direct" ? 0 : 32 - WINDOW + 1)
        }).pipe(Effect.provide(tpmBy(transport, between, kind)))
      }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("who changes a byte of a read or a write is found out, and nothing of it is used", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      let spoil: Option.Option<{ readonly code: number; readonly at: "command" | "response"; readonly byte: number }> =
        Option.none()
      const flipped = (at: "command" | "response", code: number, bytes: Buffer) => {
        if (Option.isSome(spoil) && spoil.value.at === at && spoil.value.code === code) {
          const byte = spoil.value.byte < 0 ? bytes.length + spoil.value.byte : spoil.value.byte
          bytes[byte] = (bytes[byte] ?? 0) ^ 1
        }
        return bytes
      }
      const between = yield* goBetween(tcti, {
        command: (code, bytes) => {
          flipped("command", code, bytes)
          return "the TPM's"
        },
        response: (code, bytes) => flipped("response", code, bytes)
      })
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        const data = new Uint8Array(64).fill(7)
        yield* tpm.nvDefine(INDEX, 64)
        yield* tpm.nvWrite(INDEX, 0, Redacted.make(data))
        // Of an answer: the first byte of the data, the TPM's nonce, the attributes of the session, the HMAC.
        for (const byte of [16, -50, -35, -1]) {
          spoil = Option.some({ code: CommandCode.nvRead, at: "response", byte })
          assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX, 0)))._tag, "TpmAnswerForged", `byte ${byte}`)
        }
        // Of a write: the offset, the data, and the HMAC.
        for (const byte of [-1, -10, -70]) {
          spoil = Option.some({ code: CommandCode.nvWrite, at: "command", byte })
          const error = yield* Effect.flip(tpm.nvWrite(INDEX, 0, Redacted.make(new Uint8Array(64))))
          assert.strictEqual(error._tag, "TpmRefused", `byte ${byte}`)
        }
        spoil = Option.none()
        assert.deepStrictEqual(yield* tpm.nvRead(INDEX, 0), data)
        assert.strictEqual((yield* tpm.persistentHandles).length, 0)
      }).pipe(Effect.provide(tpmBy("direct", between)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("whose program flushed our session is not felt, and a TPM that knows no session is no endless loop", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      let refusals = 0
      let sessions = 0
      const between = yield* goBetween(tcti, {
        command: (code) => {
          if (code === CommandCode.startAuthSession) sessions += 1
          if (code !== CommandCode.nvRead || refusals === 0) return "the TPM's"
          refusals -= 1
          // TPM_RC_REFERENCE_S0
          return refusal(0x918)
        }
      })
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        const data = new Uint8Array(8).fill(3)
        yield* tpm.nvDefine(INDEX, 8)
        yield* tpm.nvWrite(INDEX, 0, Redacted.make(data))
        yield* tpm.nvRead(INDEX, 0)
        assert.strictEqual(sessions, 1)
        refusals = 1
        assert.deepStrictEqual(yield* tpm.nvRead(INDEX, 0), data)
        assert.strictEqual(sessions, 2)
        refusals = 9
        assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX, 0)))._tag, "TpmRefused")
        assert.strictEqual(sessions, 3)
        refusals = 0
        assert.deepStrictEqual(yield* tpm.nvRead(INDEX, 0), data)
      }).pipe(Effect.provide(tpmBy("direct", between)))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("cannot play an answer again", () =>
    Effect.gen(function*() {
      const { tcti } = yield* swtpm(yield* newTpmState)
      let kept: Uint8Array | undefined
      const between = yield* goBetween(tcti, {
        response: (code, bytes) => {
          if (code !== CommandCode.nvRead) return bytes
          kept ??= Buffer.from(bytes)
          return kept
        }
      })
      yield* Effect.gen(function*() {
        const tpm = yield* Tpm
        yield* tpm.nvDefine(INDEX, 8)
        yield* tpm.nvWrite(INDEX, 0, Redacted.make(new Uint8Array(8)))
        yield* tpm.nvRead(INDEX, 0)
        assert.strictEqual((yield* Effect.flip(tpm.nvRead(INDEX, 0)))._tag, "TpmAnswerForged")
      }).pipe(Effect.provide(tpmBy("direct", between)))
    }).pipe(Effect.provide(NodeServices.layer)))
})
