import type { Fingerprints } from "@patela/domain/relay/Fingerprint"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Option, type Redacted, Result } from "effect"
import { hasSettled, stampOf, statsAt } from "../host/FileMemory.ts"
import { INSTANCES_STATE } from "../host/HostPaths.ts"
import type { OpenedFile } from "../host/OpenedFile.ts"
import { causeText } from "../host/SystemError.ts"
import type { HostIdentity, KeyOwner } from "./HostIdentity.ts"
import { digestOfRelays, type StoredIdentities } from "./IdentityStore.ts"
import { directoryAt, keyFileIn, untidyIn } from "./KeyDirectory.ts"
import {
  fingerprintsOf,
  identityDigest,
  identityFromKeyFiles,
  KEY_FILE_NAMES,
  type RelayIdentity
} from "./RelayIdentity.ts"

/** Looks at the key files of relays. Secrets leave it as `Redacted` alone. */
export class KeyFileReader extends Context.Service<KeyFileReader, {
  /** All at once; files of one relay that cannot be read are that relay's damage, not a failure of the look. */
  readonly look: (owners: ReadonlyArray<KeyOwner>) => Effect.Effect<ReadonlyMap<RelayName, HostIdentity>>
  /**
   * `digestOfStored` of a store that holds just the identities of these relays, and what is given of families; none where
   * one of them is not whole. Only files that changed since it was last asked are read.
   */
  readonly storedDigest: (
    owners: ReadonlyArray<KeyOwner>,
    families: StoredIdentities
  ) => Effect.Effect<Option.Option<string>>
  /** The identity itself, where both files are there and whole. */
  readonly identity: (owner: KeyOwner) => Effect.Effect<Option.Option<RelayIdentity>>
}>()("@patela/reconcilers/identity/KeyFileReader") {
  /** Relays' state directories are in `root`. */
  static readonly layerAt = (root: string): Layer.Layer<KeyFileReader> =>
    Layer.sync(KeyFileReader, () => {
      // Deriving a public key costs milliseconds, so a watching agent does it once for a key.
      const known = new Map<string, Fingerprints>()
      const knownFingerprints = (identity: RelayIdentity, digest: string): Fingerprints => {
        const fingerprints = known.get(digest) ?? fingerprintsOf(identity)
        known.set(digest, fingerprints)
        return fingerprints
      }

      // What was seen of files that did not change since. No secret stands in it.
      const remembered = new Map<RelayName, { readonly stamp: string; readonly seen: HostIdentity }>()
      const lookAt = Effect.fnUntraced(function*(owner: KeyOwner) {
        const stamp = keyStamp(root, owner)
        const before = remembered.get(owner.name)
        if (stamp !== undefined && before?.stamp === stamp) return before.seen
        const seen = judged(yield* contentOf(root, owner), knownFingerprints)
        if (stamp === undefined || seen.state !== "present") remembered.delete(owner.name)
        else remembered.set(owner.name, { stamp, seen })
        return seen
      })

      const look = Effect.fn("KeyFileReader.look")(function*(owners: ReadonlyArray<KeyOwner>) {
        const found = yield* Effect.forEach(
          owners,
          (owner) => Effect.map(lookAt(owner), (seen) => [owner.name, seen] as const)
        )
        const seen = new Map(found)
        for (const name of remembered.keys()) if (!seen.has(name)) remembered.delete(name)
        const digests = new Set([...seen.values()].map((it) => (it.state === "present" ? it.digest : "")))
        for (const digest of known.keys()) if (!digests.has(digest)) known.delete(digest)
        return seen
      })

      const identity = Effect.fn("KeyFileReader.identity")(function*(owner: KeyOwner) {
        const content = yield* contentOf(root, owner)
        return content.state === "whole" ? Option.some(content.identity) : Option.none()
      })

      let lastDigest: { readonly stamp: string; readonly digest: string } | undefined
      const storedDigest = Effect.fn("KeyFileReader.storedDigest")(function*(
        owners: ReadonlyArray<KeyOwner>,
        families: StoredIdentities
      ) {
        const stamps = owners.map((owner) => keyStamp(root, owner))
        const given = [...families].map(([tag, secret]) => [tag, identityDigest(secret)])
        const stamp = stamps.includes(undefined) ? undefined : JSON.stringify([stamps, given])
        if (stamp !== undefined && lastDigest?.stamp === stamp) return Option.some(lastDigest.digest)
        const relays = yield* Effect.forEach(
          owners,
          (owner) => Effect.map(identity(owner), (each) => [owner.name, each] as const)
        )
        const digest = digestOfRelays(relays, families)
        lastDigest = stamp === undefined || Option.isNone(digest) ? undefined : { stamp, digest: digest.value }
        return digest
      })

      return KeyFileReader.of({ look, storedDigest, identity })
    })

  static readonly layer = KeyFileReader.layerAt(INSTANCES_STATE)
}

/**
 * A text that is another after any change of a relay's two key files, of their directories, or of who should own them;
 * undefined where one is missing, or changed so shortly ago that its times may not tell. Rights show in the times.
 */
const keyStamp = (root: string, { gid, name, uid }: KeyOwner): string | undefined => {
  const state = `${root}/${name}`
  const keys = `${state}/keys`
  try {
    const stats = [`${keys}/${KEY_FILE_NAMES.ed25519}`, `${keys}/${KEY_FILE_NAMES.rsa}`].map(statsAt)
    const now = Date.now()
    const files = stats.flatMap((each) => each !== undefined && hasSettled(each, now) ? [stampOf(each)] : [])
    const folders = [state, keys].map(statsAt).flatMap((each) => each?.isDirectory() === true ? [String(each.ino)] : [])
    return files.length === 2 && folders.length === 2 ? [...files, ...folders, name, uid, gid].join(" ") : undefined
  } catch {
    // What is wrong is said by whoever reads the files.
    return undefined
  }
}

type Content =
  | Exclude<HostIdentity, { readonly state: "present" }>
  | { readonly state: "whole"; readonly identity: RelayIdentity; readonly untidy: ReadonlyArray<string> }

const judged = (
  content: Content,
  fingerprintsBy: (identity: RelayIdentity, digest: string) => Fingerprints
): HostIdentity => {
  if (content.state !== "whole") return content
  const digest = identityDigest(content.identity)
  const fingerprints = fingerprintsBy(content.identity, digest)
  return { state: "present", fingerprints, digest, untidy: content.untidy }
}

const contentOf = (root: string, owner: KeyOwner): Effect.Effect<Content> =>
  Effect.try({ try: () => contentNow(root, owner), catch: causeText }).pipe(
    Effect.catch((why) => Effect.succeed<Content>({ state: "damaged", why }))
  )

interface FileContent {
  readonly bytes: Redacted.Redacted<Uint8Array>
  readonly untidy: ReadonlyArray<string>
}

const contentNow = (root: string, owner: KeyOwner): Content => {
  using state = directoryAt(`${root}/${owner.name}`)
  if (state === undefined) return { state: "absent" }
  using keys = directoryAt(`/proc/self/fd/${state.fd}/keys`)
  if (keys === undefined) return { state: "absent" }
  const ed25519 = fileIn(keys, KEY_FILE_NAMES.ed25519, owner)
  const rsa = fileIn(keys, KEY_FILE_NAMES.rsa, owner)
  if (ed25519 === undefined && rsa === undefined) return { state: "absent" }
  if (ed25519 === undefined) return { state: "partial", missing: "ed25519" }
  if (rsa === undefined) return { state: "partial", missing: "rsa" }
  const identity = identityFromKeyFiles({ ed25519: ed25519.bytes, rsa: rsa.bytes })
  if (Result.isFailure(identity)) return { state: "damaged", why: identity.failure.message }
  return { state: "whole", identity: identity.success, untidy: [...ed25519.untidy, ...rsa.untidy] }
}

const fileIn = (keys: OpenedFile, name: string, owner: KeyOwner): FileContent | undefined => {
  const found = keyFileIn(keys, name)
  return found === undefined ? undefined : { bytes: found.bytes, untidy: untidyIn(name, found, owner) }
}
