import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, FileSystem } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { decodeCredentialFile, encodeCredentialFile } from "../../src/credential/CredentialFile.ts"
import { kdfA, kdfE } from "../../src/credential/kdf.ts"
import { type Credential, makeCredential } from "../../src/credential/makeCredential.ts"
import { attestationKeyTemplate } from "../../src/identity/AttestationKey.ts"
import { Algorithm, EccCurve } from "../../src/structures/Algorithm.ts"
import { ByteWriter } from "../../src/structures/ByteWriter.ts"
import { toHex } from "../../src/structures/Hex.ts"
import { nameOf } from "../../src/structures/Name.ts"
import { decodeTpm2bPublic, encodeTpm2bPublic, type TpmtPublic } from "../../src/structures/TpmtPublic.ts"
import { runTool } from "../../src/transport/runTool.ts"
import { keyOf } from "../fixtures.ts"
import { agreement, openCredential } from "../host/openCredential.ts"
import { eccKey, type RandomKey, rsaKeys } from "../host/RandomKeys.ts"
import { Command, rawTpm } from "../host/RawTpm.ts"
import { newTpmState, swtpm } from "../host/Swtpm.ts"

const KEYS = 300
/** So many of each kind also go through tpm2-tools, whose processes take their time. */
const TOOL_KEYS = Number(process.env["PATELA_TOOL_KEYS"] ?? 100)
const OWNER = 0x4000_0001
const ENDORSEMENT = 0x4000_000b
const AK_HANDLE = 0x8100_0001
const PARENT_HANDLE = 0x8100_0002

const none = { algorithm: Algorithm.null } as const
/** A storage key under which the random keys are imported. */
const parentTemplate: TpmtPublic = {
  type: Algorithm.ecc,
  nameAlgorithm: Algorithm.sha256,
  attributes: 0x0003_0472,
  authPolicy: new Uint8Array(),
  symmetric: { algorithm: Algorithm.aes, keyBits: 128, mode: Algorithm.cfb },
  scheme: none,
  curve: EccCurve.p256,
  kdf: none,
  x: new Uint8Array(),
  y: new Uint8Array()
}
const unmade = (area: TpmtPublic): TpmtPublic =>
  area.type === Algorithm.ecc ? { ...area, x: new Uint8Array(), y: new Uint8Array() } : area

const startsWithZero = (value: Uint8Array): boolean => value[0] === 0

/** 300 keys of a kind, the first of an ECC kind with a leading zero in x, in y, and in both. */
const keysOf = (kind: EndorsementKeyKind): ReadonlyArray<RandomKey> =>
  kind === "rsa-2048" ?
    rsaKeys(KEYS) :
    Array.from({ length: KEYS }, (_, at) =>
      eccKey(kind, (x, y) => at % 100 === 0 ? startsWithZero(x) : at % 100 === 1 ? startsWithZero(y) : true))

/** A TPM with an attestation key and a storage key, both persistent, and the ways to use keys that it imports. */
const station = Effect.gen(function*() {
  const { tcti } = yield* swtpm(yield* newTpmState)
  const raw = rawTpm(tcti)
  const persist = Effect.fnUntraced(function*(hierarchy: number, template: TpmtPublic, at: number) {
    const handle = yield* raw.createPrimary(hierarchy, encodeTpm2bPublic(template))
    const parameters = new ByteWriter().u32(at).done()
    yield* raw.run(Command.evictControl, { handles: [OWNER, handle], sessions: 1, parameters })
    yield* raw.flush(handle)
    const { parameters: answer } = yield* raw.run(Command.readPublic, { handles: [at] })
    return answer.subarray(0, 2 + (answer[0] ?? 0) * 256 + (answer[1] ?? 0))
  })
  yield* persist(OWNER, parentTemplate, PARENT_HANDLE)
  const ak = yield* persist(ENDORSEMENT, unmade(keyOf(attestationKeyTemplate)), AK_HANDLE)
  const akName = nameOf(yield* Effect.fromResult(decodeTpm2bPublic(ak)))
  const withKey = <A, E, R>(key: RandomKey, use: (handle: number) => Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      raw.importKey(PARENT_HANDLE, encodeTpm2bPublic(key.public), key.sensitive),
      use,
      (handle) => Effect.ignore(raw.flush(handle))
    )
  const activate = (handle: number, { blob, secret }: Credential) =>
    Effect.map(
      raw.run(Command.activateCredential, {
        handles: [AK_HANDLE, handle],
        sessions: 2,
        parameters: new ByteWriter().bytes(blob).bytes(secret).done()
      }),
      ({ parameters }) => toHex(parameters.subarray(2))
    )
  const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({ prefix: "random-keys-" })
  const run = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
  return { raw, akName, withKey, activate, directory, run }
})

const kinds: ReadonlyArray<EndorsementKeyKind> = ["ecc-p256", "rsa-2048", "ecc-p384"]

describe("credentials for random keys", () => {
  it.live.each(kinds)(
    `open in a TPM for ${KEYS} keys, and both ways with tpm2-tools for ${TOOL_KEYS}, %s`,
    (kind) =>
      Effect.gen(function*() {
        const { akName, withKey, activate, directory, run } = yield* station
        const files = yield* FileSystem.FileSystem
        const ours = Effect.fnUntraced(function*(key: RandomKey) {
          const secret = new Uint8Array(randomBytes(32))
          const credential = yield* makeCredential({ endorsementKey: key.public, akName, credential: secret })
          assert.strictEqual(toHex(openCredential(key, akName, credential)), toHex(secret))
          return { credential, secret: toHex(secret) }
        })
        /** tpm2_makecredential's, read by us and opened by us. */
        const theirs = Effect.fnUntraced(function*(key: RandomKey) {
          const [area, clear, made] = [`${directory}/area`, `${directory}/clear`, `${directory}/made`]
          const secret = new Uint8Array(randomBytes(32))
          yield* files.writeFile(area, encodeTpm2bPublic(key.public))
          yield* files.writeFile(clear, secret)
          yield* run("tpm2_makecredential", [
            "-Q",
            "-T",
            "none",
            "-u",
            area,
            "-s",
            clear,
            "-n",
            toHex(akName),
            "-o",
            made
          ])
          const file = yield* files.readFile(made)
          const credential = yield* Effect.fromResult(decodeCredentialFile(file))
          assert.deepStrictEqual(encodeCredentialFile(credential), new Uint8Array(file))
          assert.strictEqual(toHex(openCredential(key, akName, credential)), toHex(secret))
          return { credential, secret: toHex(secret) }
        })
        const activateByTool = Effect.fnUntraced(function*(handle: number, credential: Credential) {
          const [file, opened] = [`${directory}/ours`, `${directory}/opened`]
          yield* files.writeFile(file, encodeCredentialFile(credential))
          const keys = ["-c", `0x${AK_HANDLE.toString(16)}`, "-C", `0x${handle.toString(16)}`]
          yield* run("tpm2_activatecredential", ["-Q", ...keys, "-i", file, "-o", opened])
          return toHex(yield* files.readFile(opened))
        })
        for (const [at, key] of keysOf(kind).entries()) {
          yield* withKey(key, (handle) =>
            Effect.gen(function*() {
              const { credential, secret } = yield* ours(key)
              assert.strictEqual(yield* activate(handle, credential), secret)
              if (at >= TOOL_KEYS) return
              // One of the two processes needs the TPM and one does not.
              const [made, opened] = yield* Effect.all([theirs(key), activateByTool(handle, credential)], {
                concurrency: 2
              })
              assert.strictEqual(opened, secret)
              assert.strictEqual(yield* activate(handle, made.credential), made.secret)
            }))
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live.each(["ecc-p256", "ecc-p384"] as const)(
    "keep leading zeros of the agreement, %s",
    (kind) =>
      Effect.gen(function*() {
        const { akName, withKey, activate } = yield* station
        const key = eccKey(kind)
        const credential = new Uint8Array(randomBytes(32))
        const found = { z: 0, ephemeral: 0 }
        yield* withKey(key, (handle) =>
          Effect.gen(function*() {
            while (found.z === 0 || found.ephemeral === 0) {
              const made = yield* makeCredential({ endorsementKey: key.public, akName, credential })
              const { z, ephemeral } = agreement(key, made.secret)
              if (!startsWithZero(z) && !startsWithZero(ephemeral)) continue
              found.z += startsWithZero(z) ? 1 : 0
              found.ephemeral += startsWithZero(ephemeral) ? 1 : 0
              assert.strictEqual(yield* activate(handle, made), toHex(credential))
            }
          }))
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("key derivation", () => {
  const openssl = (...options: ReadonlyArray<string>): string =>
    execFileSync("openssl", ["kdf", ...options], { encoding: "utf8" }).replace(/[:\n]/g, "").toLowerCase()
  const opt = (...pairs: ReadonlyArray<string>) => pairs.flatMap((pair) => ["-kdfopt", pair])

  it.each(["sha256", "sha384"] as const)("KDFa with %s is SP 800-108 in counter mode to OpenSSL", (hash) => {
    for (const bits of [128, 256, 384, 1024]) {
      const [key, u, v] = [randomBytes(32), randomBytes(34), randomBytes(3)]
      const context = opt(`hexkey:${toHex(key)}`, "salt:STORAGE", `hexinfo:${toHex(u)}${toHex(v)}`)
      const expected = openssl("-keylen", `${bits / 8}`, ...opt("mac:HMAC", `digest:${hash}`), ...context, "KBKDF")
      assert.strictEqual(toHex(kdfA(hash, key, "STORAGE", u, v, bits)), expected)
    }
  })

  it.each(["sha256", "sha384"] as const)("KDFe with %s is SP 800-56A's single step to OpenSSL", (hash) => {
    const label = toHex(new TextEncoder().encode("IDENTITY\0"))
    for (const bits of [128, 256, 384, 1024]) {
      const [z, u, v] = [randomBytes(48), randomBytes(48), randomBytes(48)]
      const context = opt(`digest:${hash}`, `hexkey:${toHex(z)}`, `hexinfo:${label}${toHex(u)}${toHex(v)}`)
      const expected = openssl("-keylen", `${bits / 8}`, ...context, "SSKDF")
      assert.strictEqual(toHex(kdfE(hash, z, "IDENTITY", u, v, bits)), expected)
    }
  })
})
