import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, Result } from "effect"
import { decodeCertificate } from "../../src/certificate/Certificate.ts"
import { verifyEndorsementCertificate } from "../../src/certificate/verifyEndorsementCertificate.ts"
import { certificateIndexes } from "../../src/identity/chooseEndorsementKey.ts"
import { endorsementKeyFromHex } from "../../src/identity/EndorsementKey.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { Tpm2Tools } from "../../src/transport/Tpm2Tools.ts"
import { failure } from "../fixtures.ts"
import { certifiedTpm, toolAt } from "./CertifiedTpm.ts"

/** Those that swtpm gives a certificate for. */
const certified = ["rsa-2048", "ecc-p384"] as const

const machine = Effect.gen(function*() {
  const { issuer, root, tcti } = yield* certifiedTpm
  const endorsementKey = (kind: EndorsementKeyKind) =>
    Effect.gen(function*() {
      return yield* Effect.fromResult(endorsementKeyFromHex(toHex(yield* (yield* Tpm).endorsementKey)))
    }).pipe(Effect.provide(Tpm2Tools.layer({ tcti, endorsementKey: kind })))
  return {
    endorsementKey,
    certificate: (index: number) => toolAt(tcti, "tpm2_nvread", `0x${index.toString(16)}`),
    intermediates: [issuer],
    roots: [Result.getOrThrow(decodeCertificate(root))]
  }
})

describe("certificates in a real TPM", () => {
  it.live("are of its endorsement keys and lead to its maker's root, and to nobody else's", () =>
    Effect.gen(function*() {
      const mine = yield* machine
      const other = yield* machine
      const now = Date.now()
      for (const kind of certified) {
        const index = certificateIndexes[kind]
        const certificate = yield* mine.certificate(index)
        const endorsementKey = yield* mine.endorsementKey(kind)
        const { intermediates, roots } = mine
        const given = { certificate, intermediates, roots, endorsementKey, now }
        const verified = Result.getOrThrow(verifyEndorsementCertificate(given))
        assert.deepStrictEqual(verified.tpm, { manufacturer: "id:00001014", model: "swtpm", version: "id:20191023" })
        assert.strictEqual(verified.chain.length, 2)
        const fact = (change: Partial<typeof given>) =>
          failure(verifyEndorsementCertificate({ ...given, ...change })).fact
        assert.strictEqual(fact({ endorsementKey: yield* other.endorsementKey(kind) }), "other-key")
        assert.strictEqual(fact({ certificate: yield* other.certificate(index) }), "other-key")
        // Every maker of this kind has the same names: only the keys tell them apart.
        assert.strictEqual(fact({ roots: other.roots }), "signature")
        assert.strictEqual(fact({ intermediates: other.intermediates }), "signature")
        assert.strictEqual(fact({ intermediates: [] }), "no-issuer")
        assert.strictEqual(fact({ now: now - 86_400_000 }), "not-yet-valid")
        assert.strictEqual(fact({ certificate: Uint8Array.from([...certificate, 0]) }), "malformed")
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
