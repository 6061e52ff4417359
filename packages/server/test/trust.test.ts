import { assert, describe, it } from "@effect/vitest"
import { endorsementKeyFromHex } from "@patela/tpm/identity/EndorsementKey"
import { Context, Effect, FileSystem, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { X509Certificate } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { authority, caCertificate, ekCertificate } from "../../tpm/test/CertificateWriter.ts"
import { Audit } from "../src/audit/Audit.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { NetworkAdministration } from "../src/settings/NetworkAdministration.ts"
import { ChainVerification, type VerifyChain } from "../src/trust/ChainVerification.ts"
import { EkHash, ekHashOf } from "../src/trust/EkHash.ts"
import { EndorsementRoots } from "../src/trust/EndorsementRoots.ts"
import { Trust } from "../src/trust/Trust.ts"
import { TrustPolicy } from "../src/trust/TrustPolicy.ts"
import { reaches, TRUST_TIERS } from "../src/trust/TrustTier.ts"
import { network, node1, specs, tokenOf } from "./rig/Fleet.ts"
import { selfSigned } from "./rig/selfSigned.ts"
import { softwareTpm } from "./rig/SoftwareTpm.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"
import { environment, poolVariables, TestApi, testApi } from "./rig/TestApi.ts"

/** In the place of the verification of chains: believes one certificate, and that only its second is its issuer. */
const GOOD = ["aa", "bb"]
const believing: VerifyChain = ({ certificate, intermediates, roots: [root] }) =>
  root !== undefined &&
    [certificate, ...intermediates].map((der) => Buffer.from(der).toString("hex")).join() === GOOD.join()
    ? Result.succeed({ root: root.der })
    : Result.fail({ message: "not believed" })

/** The API with a folder of one vendor's root. */
const withRoots = (verify: VerifyChain) =>
  Layer.unwrap(Effect.gen(function*() {
    const folder = yield* temporaryDirectory
    const { pem } = yield* selfSigned(yield* temporaryDirectory)
    writeFileSync(`${folder}/vendor.pem`, pem)
    return testApi({ ...poolVariables, PATELA_EK_ROOTS: folder }).pipe(
      Layer.provide(Layer.succeed(ChainVerification, verify))
    )
  }))

const enabled = Effect.gen(function*() {
  const { ask } = yield* TestApi
  const tpm = softwareTpm()
  yield* (yield* NetworkAdministration).set("test", network)
  yield* ask({ path: "/public/auth", body: tpm.request })
  yield* (yield* Administration).setEnabled("test", node1, true)
  return tpm
})

const tierNow = Effect.gen(function*() {
  return yield* (yield* TrustPolicy).tier(yield* (yield* Administration).node(node1))
})

describe("tiers", () => {
  it.prop("law: are in one order", [
    Schema.Literals(TRUST_TIERS),
    Schema.Literals(TRUST_TIERS),
    Schema.Literals(TRUST_TIERS)
  ], ([a, b, c]) => {
    assert.isTrue(reaches(a, a))
    assert.isTrue(reaches(a, b) || reaches(b, a))
    if (reaches(a, b) && reaches(b, c)) assert.isTrue(reaches(a, c))
    assert.isTrue(reaches("certified", a))
    assert.isTrue(reaches(a, "first-use"))
  })

  it("the hash of a key is taken as people write it, and nothing else is", () => {
    const read = Schema.decodeUnknownOption(EkHash)
    const hash = ekHashOf(softwareTpm().request.ek_public)
    for (const text of [hash, hash.toUpperCase(), `sha256:${hash}`, ` ${hash}\n`]) {
      assert.deepStrictEqual(read(text), read(hash))
    }
    for (const text of ["", "list", hash.slice(1), `${hash}0`, "g".repeat(64)]) {
      assert.strictEqual(read(text)._tag, "None", text)
    }
  })
})

describe("a lowest tier of allow-listed", () => {
  it.effect("refuses who is first-use at once, also with a live token, until the key is allowed", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const policy = yield* TrustPolicy
      const tpm = yield* enabled
      const hash = ekHashOf(tpm.request.ek_public)
      const token = yield* tokenOf(node1)
      const statuses = Effect.gen(function*() {
        const auth = yield* ask({ path: "/public/auth", body: tpm.request })
        const used = yield* ask({ path: "/private/specs", body: specs, token })
        return [auth.status, used.status]
      })
      assert.deepStrictEqual(yield* statuses, [201, 200])
      assert.isTrue(yield* policy.setLowest("test", "allow-listed"))
      assert.isFalse(yield* policy.setLowest("test", "allow-listed"))
      assert.deepStrictEqual(yield* statuses, [403, 401])
      const refused = yield* ask({ path: "/public/auth", body: tpm.request })
      assert.include(refused.text, "urn:patela:problem:tier-too-low")
      assert.include(refused.text, `patela policy allow-ek ${hash}`)
      assert.isTrue(yield* policy.allow("test", hash))
      assert.strictEqual(yield* tierNow, "allow-listed")
      assert.deepStrictEqual(yield* statuses, [200, 200])
      yield* policy.remove("test", hash)
      assert.deepStrictEqual(yield* statuses, [403, 401])
      yield* policy.setLowest("test", "first-use")
      assert.deepStrictEqual(yield* statuses, [200, 200])
      const log = (yield* (yield* Audit).newest(4)).map(({ what }) => what)
      assert.deepStrictEqual(log, [
        "policy: lowest tier set",
        "policy: endorsement key removed",
        "policy: endorsement key allowed",
        "policy: lowest tier set"
      ])
    }).pipe(Effect.provide(testApi())))

  it.effect("still lists who is below it, tells so, and lets it prove its keys", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      yield* (yield* TrustPolicy).setLowest("test", "certified")
      const tpm = softwareTpm()
      const waiting = yield* ask({ path: "/public/auth", body: tpm.request })
      assert.strictEqual(waiting.status, 401)
      assert.include(waiting.text, "first-use")
      assert.include(waiting.text, "blob")
      assert.strictEqual((yield* (yield* Nodes).list).length, 1)
    }).pipe(Effect.provide(testApi())))
})

describe("certificates of endorsement keys", () => {
  it.effect("make a node certified when a root vouches for it, which no later request takes back", () =>
    Effect.gen(function*() {
      const { ask, rows } = yield* TestApi
      const tpm = yield* enabled
      yield* (yield* TrustPolicy).setLowest("test", "certified")
      const shows = (ek_certificates: ReadonlyArray<string>) =>
        Effect.map(ask({ path: "/public/auth", body: { ...tpm.request, ek_certificates } }), ({ status }) => status)
      const before = yield* rows
      for (const wrong of [[], ["aa"], ["bb", "aa"], ["aa", "bb", "cc"]]) assert.strictEqual(yield* shows(wrong), 403)
      for (const bad of [["a"], ["zz"], Array.from({ length: 6 }, () => "aa"), ["00".repeat(4097)]]) {
        assert.strictEqual(yield* shows(bad), 400)
      }
      assert.strictEqual(yield* rows, before)
      assert.strictEqual(yield* shows(GOOD), 201)
      assert.strictEqual(yield* tierNow, "certified")
      const after = yield* rows
      assert.strictEqual((yield* ask({ path: "/public/auth", body: tpm.request })).status, 201)
      assert.strictEqual(yield* shows(["cc"]), 201)
      assert.strictEqual(yield* rows, after)

      // The same node at a server whose operator took that root away.
      const others = yield* Layer.build(
        Layer.fresh(Trust.layer).pipe(
          Layer.provide(Layer.succeed(EndorsementRoots, { count: 1, has: () => false, vouching: () => Effect.die("") }))
        )
      )
      const node = yield* (yield* Administration).node(node1)
      const refusal = yield* Effect.flip(Context.get(others, Trust).accept(node))
      assert.strictEqual(refusal._tag, "TierTooLow")
    }).pipe(Effect.provide(withRoots(believing))))

  it.effect("certify the key that they are of, up to the vendor's root, and nobody else", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const folder = yield* temporaryDirectory
      const [root, issuing, other] = [authority("Root"), authority("Issuing"), authority("Other")]
      writeFileSync(`${folder}/vendor.der`, caCertificate(root, root))
      yield* Effect.gen(function*() {
        const { ask } = yield* TestApi
        const tpm = yield* enabled
        const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
        const key = Result.getOrThrow(endorsementKeyFromHex(tpm.request.ek_public)).public
        const strangers = Result.getOrThrow(endorsementKeyFromHex(softwareTpm().request.ek_public)).public
        const between = hex(caCertificate(issuing, root))
        const tierWith = Effect.fnUntraced(function*(...certificates: ReadonlyArray<string>) {
          yield* ask({ path: "/public/auth", body: { ...tpm.request, ek_certificates: certificates } })
          return yield* tierNow
        })
        const refused = [
          ["aa", "bb"],
          [hex(ekCertificate(key, issuing))],
          [hex(ekCertificate(strangers, issuing)), between],
          [hex(ekCertificate(key, other)), hex(caCertificate(other, other))],
          [hex(ekCertificate(key, issuing, { notAfter: "20250101000000Z" })), between],
          [`${hex(ekCertificate(key, issuing))}00`, between]
        ]
        for (const certificates of refused) assert.strictEqual(yield* tierWith(...certificates), "first-use")
        assert.strictEqual(yield* tierWith(hex(ekCertificate(key, issuing)), between), "certified")
      }).pipe(Effect.provide(testApi({ ...poolVariables, PATELA_EK_ROOTS: folder })))
    }))

  it.effect("are believed from roots in PEM and DER, and a folder with anything else is refused by name", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryDirectory
      const { cert, pem } = yield* selfSigned(yield* temporaryDirectory)
      const fs = yield* FileSystem.FileSystem
      const read = Effect.scoped(Layer.build(Layer.fresh(EndorsementRoots.layer))).pipe(
        Effect.map((services) => Context.get(services, EndorsementRoots).count),
        Effect.provide(environment({ PATELA_EK_ROOTS: folder })),
        Effect.provideService(FileSystem.FileSystem, fs)
      )
      assert.include((yield* Effect.flip(read)).message, "is empty")
      writeFileSync(`${folder}/two.pem`, `# vendors\n${pem}\n${readFileSync(cert, "utf8")}`)
      writeFileSync(`${folder}/one.der`, new X509Certificate(pem).raw)
      assert.strictEqual(yield* read, 3)
      writeFileSync(`${folder}/readme.txt`, "hello")
      assert.include((yield* Effect.flip(read)).message, "readme.txt")
    }).pipe(Effect.provide(testApi())))
})
