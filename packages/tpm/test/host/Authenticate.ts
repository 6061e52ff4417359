import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { makeCredential } from "../../src/credential/makeCredential.ts"
import { attestationKeyFromHex } from "../../src/identity/AttestationKey.ts"
import { endorsementKeyFromHex } from "../../src/identity/EndorsementKey.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { nameOf } from "../../src/structures/Name.ts"
import { Tpm } from "../../src/transport/Tpm.ts"

/** What the server does with a request, and the agent with the answer. */
export const authenticate = Effect.gen(function*() {
  const tpm = yield* Tpm
  const ekHex = toHex(yield* tpm.endorsementKey)
  const ak = yield* tpm.attestationKey
  const endorsementKey = yield* Effect.fromResult(endorsementKeyFromHex(ekHex))
  const attestationKey = yield* Effect.fromResult(attestationKeyFromHex(toHex(ak.public)))
  const akName = nameOf(attestationKey.public)
  assert.strictEqual(toHex(akName), toHex(ak.name))
  const key = new Uint8Array(randomBytes(32))
  const credential = yield* makeCredential({ endorsementKey: endorsementKey.public, akName, credential: key })
  return { kind: endorsementKey.kind, key, credential, ekHex, ak }
})
