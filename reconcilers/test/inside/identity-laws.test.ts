import { assert, describe, it } from "@effect/vitest"
import { familyFileOf } from "@patela/domain/family/FamilySecret"
import type { DesiredInput, Kind } from "@patela/domain/reconciler/Kind"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Redacted } from "effect"
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { afterAll, beforeAll } from "vitest"
import { familyFileName } from "../../src/identity/FamilyKeyReader.ts"
import { FamilyKeys } from "../../src/identity/FamilyKeys.ts"
import { Identities } from "../../src/identity/Identities.ts"
import { digestOfStored, familyTagOf, type StoredIdentities, storeTagOf } from "../../src/identity/IdentityStore.ts"
import { KEY_FILE_NAMES, keyFilesOf, type RelayIdentity } from "../../src/identity/RelayIdentity.ts"
import { SavedIdentities } from "../../src/identity/SavedIdentities.ts"
import { type Broken, kindLaws, type World } from "../KindLaws.ts"
import { nodeInput, relayAt } from "../NodeInput.ts"
import { FAMILIES, FAMILY_SECRETS } from "../TestFamilies.ts"
import { ALL_SECRETS, identityAt, knownFingerprints } from "../TestIdentities.ts"
import { lookOf, mortalHost, type Services } from "./MortalHost.ts"
import { addForeign, run } from "./RelayHost.ts"

const RELAYS = ["taleggio", "robiola", "stranger"].map((name, slot) => ({
  name: RelayName.make(name),
  uid: 50_100 + slot
}))
const NONE: ReadonlySet<string> = new Set()
const stateOf = (name: string) => `/var/lib/tor-instances/${name}`
const keysOf = (name: string) => `${stateOf(name)}/keys`

/** taleggio, robiola: wanted, with what the server has on record of them. */
const inputOf = (...records: ReadonlyArray<RelayIdentity | null>): DesiredInput =>
  nodeInput(records.map((record, slot) => ({
    ...relayAt(100 + slot, RELAYS[slot]?.name ?? ""),
    fingerprint: record === null ? null : knownFingerprints(record)
  })))

/** Key files with the wrong owner and mode; both unless told. */
type Files = ReadonlyArray<readonly [relay: string, identity: RelayIdentity, only?: "ed25519" | "rsa"]>

/** Blank state directories, of which `files` fills some keys; no key file of a broken relay can be reached. */
const prepare = (broken: Broken, files: Files) => {
  for (const { name, uid } of RELAYS) {
    rmSync(stateOf(name), { recursive: true, force: true })
    for (const path of [stateOf(name), keysOf(name)]) {
      run("install", "-d", "-m", "02700", "-o", String(uid), "-g", String(uid), path)
    }
  }
  for (const [name, identity, only] of files) {
    const content = keyFilesOf(identity)
    for (const part of only === undefined ? ["ed25519", "rsa"] as const : [only]) {
      writeFileSync(`${keysOf(name)}/${KEY_FILE_NAMES[part]}`, Redacted.value(content[part]), { mode: 0o644 })
    }
  }
  for (const name of broken) {
    rmSync(keysOf(name), { recursive: true })
    symlinkSync("/srv", keysOf(name))
  }
}

/** What tor made in a world cannot be known before: the lines of its PEM files. */
const mintedSecrets = (): ReadonlyArray<string> =>
  RELAYS.map(({ name }) => `${keysOf(name)}/${KEY_FILE_NAMES.rsa}`).filter((path) => existsSync(path)).flatMap((path) =>
    readFileSync(path, "latin1").split("\n").filter((line) => line.length > 30 && !line.startsWith("-"))
  )

const worldOf =
  (files: Files, stored: StoredIdentities = new Map()) =>
  (broken: Broken): World<Services> & { readonly stored: () => StoredIdentities } => {
    prepare(broken, files)
    return {
      ...mortalHost(broken, stored),
      foreign: () => [
        ...readdirSync(keysOf("stranger")).map((name) => lookOf(`${keysOf("stranger")}/${name}`)),
        readdirSync("/srv")
      ],
      get secrets() {
        return [...ALL_SECRETS, ...mintedSecrets()]
      }
    }
  }

describe("the laws of the kinds that keep identities, on a host", () => {
  const clear = () => {
    for (const { name } of RELAYS) {
      rmSync(stateOf(name), { recursive: true, force: true })
      if (run("getent", "passwd").includes(`_tor-${name}:`)) run("userdel", `_tor-${name}`)
    }
  }
  beforeAll(() => {
    clear()
    for (const { name, uid } of RELAYS) addForeign(`_tor-${name}`, uid)
  })
  afterAll(clear)

  const identities: Kind<Services, Services> = Identities
  const familyKeys: Kind<Services, Services> = FamilyKeys
  const keyStore: Kind<Services, Services> = SavedIdentities
  const [one, other, strangers] = [identityAt(0), identityAt(1), identityAt(2)]
  const storeOf = (name: string, identity: RelayIdentity): StoredIdentities =>
    new Map([[storeTagOf(RelayName.make(name)), identity]])

  it.live("identity: one is made by tor, one comes from the store in the place of half another", () =>
    Effect.gen(function*() {
      const world = worldOf([["stranger", strangers], ["robiola", other, "rsa"]], storeOf("robiola", one))
      assert.deepStrictEqual(yield* kindLaws(identities, inputOf(null, one), world), NONE)
    }))

  it.live("identity: one has a file alone, which tor completes, one has wrong modes and owners", () =>
    Effect.gen(function*() {
      const world = worldOf([["taleggio", other, "rsa"], ["robiola", one]])
      assert.deepStrictEqual(yield* kindLaws(identities, inputOf(null, one), world), NONE)
    }))

  it.live("family-keys: from the TPM, from the server, from a neighbour; what is not named goes, what is not ours stays", () =>
    Effect.gen(function*() {
      const [kept, given, left] = FAMILIES
      if (kept === undefined || given === undefined || left === undefined) return assert.fail()
      const stored: StoredIdentities = new Map([[familyTagOf(kept.id), kept.secret]])
      const world = (broken: Broken) => {
        const whole = worldOf([["taleggio", one], ["robiola", other], ["stranger", strangers]], stored)(broken)
        const put = (name: string, file: string, secret: typeof kept.secret) =>
          writeFileSync(`${keysOf(name)}/${file}`, Redacted.value(familyFileOf(secret)), { mode: 0o644 })
        put("stranger", "ours.secret_family_key", left.secret)
        if (!broken.has(RelayName.make("robiola"))) {
          for (const { id, secret } of [given, left]) put("robiola", familyFileName(id), secret)
        }
        return { ...whole, secrets: [...whole.secrets ?? [], ...FAMILY_SECRETS] }
      }
      const input = inputOf(one, other)
      const config = { ...input.config, family: { ids: [kept.id, given.id], members: [] } }
      const names = [kept.id, given.id].map(familyFileName).sort()
      const failed = yield* kindLaws(familyKeys, { ...input, config }, world, () => {
        for (const [slot, name] of ["taleggio", "robiola"].entries()) {
          const found = readdirSync(keysOf(name)).filter((file) => file.endsWith(".secret_family_key")).sort()
          assert.deepStrictEqual(found, names)
          for (const file of found) {
            const { gid, mode, uid } = statSync(`${keysOf(name)}/${file}`)
            assert.deepStrictEqual([mode & 0o7777, uid, gid], [0o600, 50_100 + slot, 50_100 + slot])
          }
        }
      })
      assert.deepStrictEqual(failed, NONE)
    }))

  it.live("key-store: one is new, one takes the place of what the server has no record of", () =>
    Effect.gen(function*() {
      const stored = new Map([...storeOf("robiola", other), ...storeOf("stranger", strangers)])
      const wanted = new Map([
        ...storeOf("taleggio", one),
        ...storeOf("robiola", one),
        ...storeOf("stranger", strangers)
      ])
      const world = worldOf([["taleggio", one], ["robiola", one], ["stranger", strangers]], stored)
      const failed = yield* kindLaws(keyStore, inputOf(null, one), world, ({ host, stored }) => {
        assert.strictEqual(digestOfStored(stored()), digestOfStored(wanted))
        assert.strictEqual(host.writes, 1)
      })
      assert.deepStrictEqual(failed, NONE)
    }))
})
