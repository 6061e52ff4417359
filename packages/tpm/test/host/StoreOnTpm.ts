import { assert } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import { randomBytes } from "node:crypto"
import { digestOf, KeyStore } from "../../src/store/KeyStore.ts"
import type { RelaySecrets } from "../../src/store/payload.ts"
import { toHex } from "../../src/structures/Hex.ts"
import type { Tcti } from "../../src/transport/Tcti.ts"
import type { Transport } from "../../src/transport/TpmTransport.ts"
import { tpmBy } from "./Transports.ts"

/** New secrets of so many relays. */
export const relays = (count: number): RelaySecrets =>
  new Map(Array.from({ length: count }, (_, at) => [
    at.toString(16).padStart(8, "0"),
    Redacted.make<Uint8Array>(randomBytes(192))
  ]))

/** The same, and secrets of two families. */
export const withFamilies = (entries: RelaySecrets): RelaySecrets =>
  new Map([
    ...entries,
    ...["aaaaaaaa", "00000fff"].map((tag) => [tag, Redacted.make<Uint8Array>(randomBytes(64))] as const)
  ])

/** The key store on a real TPM, and the TPM beside it. */
export const storeOn = (transport: Transport, tcti: Tcti) =>
  KeyStore.layer.pipe(Layer.provideMerge(tpmBy(transport, tcti)))

/** Everything that was saved is read back, under the digest that the caller can compute. Gives the sequence. */
export const holds = (entries: RelaySecrets) =>
  Effect.gen(function*() {
    const store = yield* KeyStore
    const header = Option.getOrThrow(yield* store.header)
    const found = Option.getOrThrow(yield* store.read)
    assert.strictEqual(found.count + found.families, entries.size)
    assert.strictEqual(header.digest, found.digest)
    assert.strictEqual(header.digest, Result.getOrThrow(digestOf(entries)))
    for (const [tag, secret] of entries) {
      const saved = Option.getOrThrow(Option.fromUndefinedOr(found.secrets.get(tag)))
      assert.strictEqual(toHex(Redacted.value(saved)), toHex(Redacted.value(secret)))
    }
    return header.sequence
  })
