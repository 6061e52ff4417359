import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { Tcti } from "@patela/tpm/transport/Tcti"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Tpm2Tools } from "@patela/tpm/transport/Tpm2Tools"
import { Effect, FileSystem, Schedule } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { X509Certificate } from "node:crypto"
import { endorsementCertificates } from "../../src/session/endorsementCertificates.ts"

const TIMEOUT = 60_000

/** A TPM whose maker, a CA of the test's own, gave it a certificate for its P-384 endorsement key, as swtpm_setup 0.7 does. */
const certifiedTpm = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const folder = yield* files.makeTempDirectoryScoped({ prefix: "ek-certificates-" })
  yield* files.makeDirectory(`${folder}/ca`)
  yield* files.makeDirectory(`${folder}/state`)
  const authority = { statedir: "ca", signingkey: "ca/key.pem", issuercert: "ca/cert.pem", certserial: "ca/serial" }
  const lines = Object.entries(authority).map(([name, value]) => `${name} = ${folder}/${value}`)
  yield* files.writeFileString(`${folder}/ca.conf`, `${lines.join("\n")}\n`)
  yield* files.writeFileString(
    `${folder}/setup.conf`,
    `create_certs_tool = swtpm_localca\ncreate_certs_tool_config = ${folder}/ca.conf\n` +
      "create_certs_tool_options = /etc/swtpm-localca.options\n"
  )
  const ignored = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const
  const made = yield* spawner.exitCode(
    ChildProcess.make("swtpm_setup", [
      "--tpm2",
      "--tpmstate",
      `${folder}/state`,
      "--create-ek-cert",
      "--config",
      `${folder}/setup.conf`
    ], ignored)
  )
  assert.strictEqual(made, 0)
  const socket = (name: string) => `type=unixio,path=${folder}/${name}`
  const where = ["--server", socket("s"), "--ctrl", socket("s.ctrl"), "--tpmstate", `dir=${folder}/state`]
  yield* spawner.spawn(
    ChildProcess.make("swtpm", ["socket", "--tpm2", ...where, "--flags", "not-need-init,startup-clear"], ignored)
  )
  const tcti = Tcti.make(`swtpm:path=${folder}/s`)
  // A file is there a moment before its socket listens.
  yield* Effect.flatMap(Tpm, (tpm) => tpm.limits).pipe(
    Effect.retry({ schedule: Schedule.spaced("10 millis"), times: 500 }),
    Effect.provide(Tpm2Tools.layer({ tcti }))
  )
  return tcti
})

const found = Effect.gen(function*() {
  const ek = Buffer.from(yield* (yield* Tpm).endorsementKey).toString("hex")
  return { ek, certificates: yield* endorsementCertificates(ek) }
})

describe("the certificate of an endorsement key", () => {
  it.live(
    "is read from the TPM's NV memory, and is of that key; of a key without one there is none",
    () =>
      Effect.gen(function*() {
        const tcti = yield* certifiedTpm
        const { ek, certificates } = yield* Effect.provide(found, Tpm2Tools.layer({ tcti, endorsementKey: "ecc-p384" }))
        const [certificate] = certificates
        if (certificate === undefined) return assert.fail("no certificate was found")
        const { x, y } = new X509Certificate(certificate).publicKey.export({ format: "jwk" })
        const key = (yield* Effect.fromResult(endorsementKeyFromHex(ek))).public
        assert("x" in key)
        const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url")
        assert.deepStrictEqual([text(key.x), text(key.y)], [x, y])
        const p256 = yield* Effect.provide(found, Tpm2Tools.layer({ tcti }))
        assert.deepStrictEqual(p256.certificates, [])
      }).pipe(Effect.provide(NodeServices.layer)),
    TIMEOUT
  )
})
