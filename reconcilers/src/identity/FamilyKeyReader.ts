import type { FamilyId } from "@patela/domain/family/FamilyId"
import { type FamilySecret, familySecretFromFile } from "@patela/domain/family/FamilySecret"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import * as fs from "node:fs"
import { hasSettled, stampOf, statsAt } from "../host/FileMemory.ts"
import { INSTANCES_STATE } from "../host/HostPaths.ts"
import { familyTagOf } from "./IdentityStore.ts"
import { directoryAt, type KeyFileFound, keyFileIn } from "./KeyDirectory.ts"
import { knownFamilyId } from "./knownFamilyId.ts"

/** tor takes every file of this ending in a relay's `keys` (tor manual, FILES); those with our beginning are ours. */
const OWNED = /^patela-[0-9a-f]{8}\.secret_family_key$/

export const familyFileName = (id: FamilyId): string => `patela-${familyTagOf(id)}.secret_family_key`

/** A key file of a family that Patela wrote. `id` is that of the key in it, undefined where that is none. */
export interface FoundFamilyKey extends Omit<KeyFileFound, "bytes"> {
  readonly file: string
  readonly id: FamilyId | undefined
}

/** Looks at the family keys of relays. */
export class FamilyKeyReader extends Context.Service<FamilyKeyReader, {
  /** Of every relay on the host that has any. A relay whose directory cannot be read counts as having none. */
  readonly look: Effect.Effect<ReadonlyMap<RelayName, ReadonlyArray<FoundFamilyKey>>>
  /** The keys themselves, as far as one of these relays has them. */
  readonly secrets: (
    relays: ReadonlyArray<RelayName>,
    ids: ReadonlyArray<FamilyId>
  ) => Effect.Effect<ReadonlyMap<FamilyId, FamilySecret>>
}>()("@patela/reconcilers/identity/FamilyKeyReader") {
  /** Relays' state directories are in `root`. `now` is milliseconds since 1970. */
  static readonly layerAt = (root: string, now: () => number = Date.now): Layer.Layer<FamilyKeyReader> =>
    Layer.sync(FamilyKeyReader, () => {
      // Directories with no file of a family in them, as they were last seen: nothing was put there since.
      const without = new Map<RelayName, string>()
      const lookAt = (name: RelayName): ReadonlyArray<FoundFamilyKey> => {
        const stamp = directoryStamp(root, name, now())
        if (stamp !== undefined && without.get(name) === stamp) return []
        without.delete(name)
        const found = keysOf(root, name)
        if (stamp !== undefined && found?.length === 0) without.set(name, stamp)
        return (found ?? []).map(({ key }) => key)
      }
      return FamilyKeyReader.of({
        look: Effect.sync(() => {
          const names = relaysIn(root)
          const there = new Set(names)
          for (const name of without.keys()) if (!there.has(name)) without.delete(name)
          return new Map(
            names.flatMap((name) => {
              const found = lookAt(name)
              return found.length === 0 ? [] : [[name, found] as const]
            })
          )
        }).pipe(Effect.withSpan("FamilyKeyReader.look")),
        secrets: Effect.fn("FamilyKeyReader.secrets")((relays, ids) =>
          Effect.sync(() => {
            const secrets = new Map<FamilyId, FamilySecret>()
            for (const name of relays) {
              if (secrets.size === ids.length) break
              for (const { key, secret } of keysOf(root, name) ?? []) {
                if (secret !== undefined && key.id !== undefined && ids.includes(key.id)) secrets.set(key.id, secret)
              }
            }
            return secrets
          })
        )
      })
    })

  static readonly layer = FamilyKeyReader.layerAt(INSTANCES_STATE)
}

const decodeName = Schema.decodeUnknownOption(RelayName)

const relaysIn = (root: string): ReadonlyArray<RelayName> => {
  try {
    return fs.readdirSync(root).flatMap((name) => Option.toArray(decodeName(name)))
  } catch {
    // No instance was ever made here.
    return []
  }
}

/**
 * A text that is another after a file came or went; undefined where that was so shortly ago that the times may not tell, or
 * there is no such directory.
 */
const directoryStamp = (root: string, name: RelayName, now: number): string | undefined => {
  try {
    const [state, keys] = [`${root}/${name}`, `${root}/${name}/keys`].map(statsAt)
    if (state?.isDirectory() !== true || keys?.isDirectory() !== true || !hasSettled(keys, now)) return undefined
    return `${state.ino} ${stampOf(keys)}`
  } catch {
    // Whoever reads it finds nothing either.
    return undefined
  }
}

/** Undefined where they cannot be read. */
const keysOf = (root: string, name: RelayName) => {
  try {
    using state = directoryAt(`${root}/${name}`)
    if (state === undefined) return []
    using keys = directoryAt(`/proc/self/fd/${state.fd}/keys`)
    if (keys === undefined) return []
    return fs.readdirSync(`/proc/self/fd/${keys.fd}`).filter((file) => OWNED.test(file)).toSorted().flatMap((file) => {
      const found = keyFileIn(keys, file)
      if (found === undefined) return []
      const { bytes, ...rights } = found
      const secret = Result.getOrUndefined(familySecretFromFile(Redacted.value(bytes)))
      const key: FoundFamilyKey = { file, ...rights, id: secret === undefined ? undefined : knownFamilyId(secret) }
      return [{ key, secret }]
    })
  } catch {
    // Whoever writes there says what is wrong.
    return undefined
  }
}
