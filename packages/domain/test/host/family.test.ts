import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { familyFileOf, familyIdOf, familySecretFromBytes, familySecretFromFile } from "../../src/family/FamilySecret.ts"

const inFolder = (use: (folder: string) => void) => {
  const folder = mkdtempSync(join(tmpdir(), "patela-family-"))
  try {
    use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A key as the server makes one (newFamilySecret.ts). */
const newSecret = () => {
  const hash = createHash("sha512").update(String(Math.random())).digest()
  hash[0] = (hash[0] ?? 0) & 0xf8
  hash[31] = ((hash[31] ?? 0) & 0x7f) | 0x40
  return Result.getOrThrow(familySecretFromBytes(hash))
}

/**
 * The descriptor of a relay that runs in a network of its own, as its directory port serves it before and after a reload
 * with another torrc, and what it logged.
 */
const descriptors = (folder: string, torrcs: readonly [string, string]) => {
  torrcs.forEach((text, at) =>
    writeFileSync(
      `${folder}/torrc${at}`,
      `DataDirectory ${folder}/data\nNickname toma\nORPort 127.0.0.1:9201\nDirPort 127.0.0.1:9301\nAddress 127.0.0.1\n` +
        `SocksPort 0\nAssumeReachable 1\nPublishServerDescriptor 0\nContactInfo "nobody"\nGeoIPFile /dev/null\n` +
        `GeoIPv6File /dev/null\nShutdownWaitLength 0\nLog notice file ${folder}/log\n${text}`
    )
  )
  const get = "curl --silent --fail http://127.0.0.1:9301/tor/server/authority"
  const script = `set -e
ip link set lo up
cp ${folder}/torrc0 ${folder}/torrc
tor -f ${folder}/torrc --defaults-torrc /nonexistent --ignore-missing-torrc --hush & tor=$!
trap 'kill $tor; wait $tor' EXIT
for try in $(seq 600); do ${get} -o ${folder}/before && break; sleep 0.05; done
cp ${folder}/torrc1 ${folder}/torrc
kill -HUP $tor
for try in $(seq 600); do ${get} -o ${folder}/after && grep -q '^family ' ${folder}/after && break; sleep 0.05; done`
  const { status, stderr } = spawnSync("unshare", ["--net", "sh", "-c", script], { encoding: "utf8", timeout: 120_000 })
  const log = readFileSync(`${folder}/log`, "utf8")
  assert.strictEqual(status, 0, stderr + log)
  return { before: readFileSync(`${folder}/before`, "utf8"), after: readFileSync(`${folder}/after`, "utf8"), log }
}

/** The keys that signed the family certificates of a descriptor, as base64 (tor proposal 321; cert-spec, extension 04). */
const familiesIn = (descriptor: string, ids: ReadonlyArray<string>): ReadonlyArray<string> => {
  const certificates = [...descriptor.matchAll(/-----BEGIN FAMILY CERT-----\n([^-]+)-----END FAMILY CERT-----/g)]
  return certificates.map(([, text]) => {
    const bytes = Buffer.from(text ?? "", "base64")
    return ids.find((id) => bytes.includes(Buffer.from(id, "base64"))) ?? "another"
  })
}

describe("family keys and tor", () => {
  it("tor's own key file is read, says the identity that tor says, and is written byte for byte", () =>
    inFolder((folder) => {
      for (const name of ["one", "two", "three"]) {
        execFileSync("tor", ["--keygen-family", name], { cwd: folder, stdio: "ignore" })
        const file = readFileSync(`${folder}/${name}.secret_family_key`)
        const secret = Result.getOrThrow(familySecretFromFile(file))
        assert.strictEqual(familyIdOf(secret), readFileSync(`${folder}/${name}.public_family_id`, "utf8").trim())
        assert.isTrue(file.equals(Redacted.value(familyFileOf(secret))))
      }
    }))

  it("a relay with a key of ours declares its family, both while it is rotated, and hears of it at a reload", () =>
    inFolder((folder) => {
      const [old, fresh] = [newSecret(), newSecret()]
      const [newId, oldId] = [familyIdOf(fresh), familyIdOf(old)]
      const ids = [newId, oldId]
      mkdirSync(`${folder}/data/keys`, { recursive: true, mode: 0o700 })
      for (const [at, secret] of [fresh, old].entries()) {
        writeFileSync(
          `${folder}/data/keys/patela-0000000${at}.secret_family_key`,
          Redacted.value(familyFileOf(secret)),
          {
            mode: 0o600
          }
        )
      }
      const member = `MyFamily $${"A".repeat(40)}\n`
      const { after, before, log } = descriptors(folder, [
        `FamilyId ${oldId}\n`,
        `FamilyId ${newId}\nFamilyId ${oldId}\n${member}`
      ])
      assert.deepStrictEqual(familiesIn(before, ids), [oldId], before + log)
      assert.notMatch(before, /^family /m)
      assert.sameMembers([...familiesIn(after, ids)], ids, after + log)
      assert.match(after, new RegExp(`^family .*\\$${"A".repeat(40)}`, "m"))
    }))
})
