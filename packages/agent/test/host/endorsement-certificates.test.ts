import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { certificateIndexes } from "@patela/tpm/identity/chooseEndorsementKey"
import { endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Effect, Redacted } from "effect"
import { X509Certificate } from "node:crypto"
import { authenticate } from "../../../tpm/test/host/Authenticate.ts"
import { certifiedTpm, withoutCertificate } from "../../../tpm/test/host/CertifiedTpm.ts"
import { tpmBy, transports } from "../../../tpm/test/host/Transports.ts"
import { endorsementCertificates } from "../../src/session/endorsementCertificates.ts"

const TIMEOUT = 180_000

const found = Effect.gen(function*() {
  const ek = Buffer.from(yield* (yield* Tpm).endorsementKey).toString("hex")
  const { kind, public: key } = yield* Effect.fromResult(endorsementKeyFromHex(ek))
  return { kind, key, certificates: yield* endorsementCertificates(ek) }
})

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url")

describe("the endorsement key of a TPM whose vendor certified others than that of P-256", () => {
  it.live(
    "is of P-384, then of RSA-2048, then of P-256; comes with its certificate and issuer, and opens credentials",
    () =>
      Effect.gen(function*() {
        const { issuer, tcti } = yield* certifiedTpm
        const is = Effect.fnUntraced(function*(expected: EndorsementKeyKind, certified: boolean) {
          for (const transport of transports) {
            yield* Effect.gen(function*() {
              const { certificates, key, kind } = yield* found
              assert.strictEqual(kind, expected, transport)
              assert.deepStrictEqual(certificates.slice(1).map(text), certified ? [text(issuer)] : [])
              const [certificate] = certificates
              assert.strictEqual(certificate !== undefined, certified)
              if (certificate !== undefined) {
                const { n, x } = new X509Certificate(certificate).publicKey.export({ format: "jwk" })
                assert.strictEqual("x" in key ? text(key.x) : text(key.modulus), x ?? n)
              }
              const made = yield* authenticate
              const opened = yield* (yield* Tpm).activateCredential(made.credential)
              assert.deepStrictEqual(Redacted.value(opened), made.key)
            }).pipe(Effect.provide(tpmBy(transport, tcti)))
          }
        })
        yield* is("ecc-p384", true)
        yield* withoutCertificate(tcti, certificateIndexes["ecc-p384"])
        yield* is("rsa-2048", true)
        yield* withoutCertificate(tcti, certificateIndexes["rsa-2048"])
        yield* is("ecc-p256", false)
      }).pipe(Effect.provide(NodeServices.layer)),
    TIMEOUT
  )

  it.live("is another, all at once, where the server names it", () =>
    Effect.gen(function*() {
      const { tcti } = yield* certifiedTpm
      for (const transport of transports) {
        yield* Effect.gen(function*() {
          const tpm = yield* Tpm
          assert.strictEqual((yield* found).kind, "ecc-p384")
          yield* tpm.useEndorsementKey("ecc-p256")
          const { certificates, kind } = yield* found
          assert.deepStrictEqual([kind, certificates], ["ecc-p256", []])
          const made = yield* authenticate
          assert.deepStrictEqual(Redacted.value(yield* tpm.activateCredential(made.credential)), made.key)
          // The session that is still open was salted by the other key; reading goes on in it, and in a new one.
          assert.isAbove((yield* tpm.nvRead(certificateIndexes["ecc-p384"], 0)).length, 100)
        }).pipe(Effect.provide(tpmBy(transport, tcti)))
      }
    }).pipe(Effect.provide(NodeServices.layer)), TIMEOUT)
})
