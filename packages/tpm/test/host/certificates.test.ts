import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Result } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { X509Certificate } from "node:crypto"
import { decodeCertificate } from "../../src/certificate/Certificate.ts"
import { verifyEndorsementCertificate } from "../../src/certificate/verifyEndorsementCertificate.ts"
import { endorsementKeyFromHex, type EndorsementKeyKind } from "../../src/identity/EndorsementKey.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { runTool } from "../../src/transport/runTool.ts"
import { Tpm } from "../../src/transport/Tpm.ts"
import { Tpm2Tools } from "../../src/transport/Tpm2Tools.ts"
import { failure } from "../fixtures.ts"
import { newTpmState, swtpm } from "./Swtpm.ts"

/** Where a TPM keeps its certificates, and where swtpm puts that of P-384 (TCG EK Credential Profile, "NV Storage"). */
const indexes = [["rsa-2048", 0x01c0_0002], ["ecc-p384", 0x01c0_0016]] as const

/** A new TPM whose maker, a CA of its own, gave it certificates: swtpm_setup and swtpm_localca 0.7. */
const certifiedTpm = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const state = yield* newTpmState
  const ca = yield* files.makeTempDirectoryScoped({ prefix: "swtpm-localca-" })
  const localca = ["statedir", "signingkey", "issuercert", "certserial"]
    .map((name) => `${name} = ${ca}${name === "statedir" ? "" : `/${name}`}\n`).join("")
  yield* files.writeFileString(`${ca}/localca.conf`, localca)
  yield* files.writeFileString(
    `${ca}/localca.options`,
    "--platform-manufacturer Patela\n--platform-version 1\n--platform-model test\n"
  )
  yield* files.writeFileString(
    `${ca}/setup.conf`,
    `create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = ${ca}/localca.conf\n` +
      `create_certs_tool_options = ${ca}/localca.options\n`
  )
  const args = ["--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", `${ca}/setup.conf`, "--vmid", "node"]
  const status = yield* spawner.exitCode(ChildProcess.make("swtpm_setup", args, { stdout: "ignore", stderr: "ignore" }))
  assert.strictEqual(Number(status), 0)
  const { tcti } = yield* swtpm(state)
  const pem = (name: string) =>
    Effect.map(files.readFileString(`${ca}/${name}`), (text) => new Uint8Array(new X509Certificate(text).raw))
  const endorsementKey = (kind: EndorsementKeyKind) =>
    Effect.gen(function*() {
      return yield* Effect.fromResult(endorsementKeyFromHex(toHex(yield* (yield* Tpm).endorsementKey)))
    }).pipe(Effect.provide(Tpm2Tools.layer({ tcti, endorsementKey: kind })))
  const certificate = (index: number) => runTool(spawner, tcti)("tpm2_nvread", [`0x${index.toString(16)}`])
  return {
    endorsementKey,
    certificate,
    intermediates: [yield* pem("issuercert")],
    roots: [Result.getOrThrow(decodeCertificate(yield* pem("swtpm-localca-rootca-cert.pem")))]
  }
})

describe("certificates in a real TPM", () => {
  it.live("are of its endorsement keys and lead to its maker's root, and to nobody else's", () =>
    Effect.gen(function*() {
      const mine = yield* certifiedTpm
      const other = yield* certifiedTpm
      const now = Date.now()
      for (const [kind, index] of indexes) {
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
