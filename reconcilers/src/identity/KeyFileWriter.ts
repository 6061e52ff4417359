import { Context, Effect, Layer, Redacted, Result, Schema } from "effect"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { INSTANCES_STATE } from "../host/HostPaths.ts"
import { ReplaceFile } from "../host/ReplaceFile.ts"
import { causeText, errorCode } from "../host/SystemError.ts"
import type { KeyOwner } from "./HostIdentity.ts"
import { KEY_FILE_LIMIT, KEY_FILE_MODE } from "./KeyDirectory.ts"
import {
  identityDigest,
  identityFromKeyFiles,
  KEY_FILE_NAMES,
  keyFilesOf,
  type RelayIdentity
} from "./RelayIdentity.ts"

/** Key files were not written. `message` says which and why. */
export class KeyFilesNotWritten extends Schema.TaggedError<KeyFilesNotWritten>()("KeyFilesNotWritten", {
  message: Schema.String
}) {}

/**
 * What tor derives from the ed25519 master secret and makes anew. Of another master it stops tor ("does not match"),
 * and without the secret it passes for a master key kept offline, so that tor makes no new one (seen with tor 0.4.9.11).
 */
const DERIVED = ["ed25519_master_id_public_key", "ed25519_signing_cert", "ed25519_signing_secret_key"]

/** Puts key files in place. */
export class KeyFileWriter extends Context.Service<KeyFileWriter, {
  /**
   * Both files, with the relay's owner and mode 0600; what another identity left goes away first. A kill on the way
   * leaves the same keys, or no whole identity.
   */
  readonly write: (owner: KeyOwner, identity: RelayIdentity) => Effect.Effect<void, KeyFilesNotWritten>
  /** Takes away what tor derived from an earlier identity, so that it makes a new one. */
  readonly clearDerived: (owner: KeyOwner) => Effect.Effect<void, KeyFilesNotWritten>
}>()("@patela/reconcilers/identity/KeyFileWriter") {
  /** Relays' state directories are in `root`. */
  static readonly layerAt = (root: string): Layer.Layer<KeyFileWriter, never, ReplaceFile> =>
    Layer.effect(
      KeyFileWriter,
      Effect.gen(function*() {
        const files = yield* ReplaceFile

        const clear = (owner: KeyOwner, next?: RelayIdentity) =>
          Effect.tryPromise({
            try: () => clearNow(root, owner, next),
            catch: (cause) => notWritten(owner, causeText(cause))
          })

        const clearDerived = Effect.fn("KeyFileWriter.clearDerived")((owner: KeyOwner) => clear(owner))

        const write = Effect.fn("KeyFileWriter.write")(function*(owner: KeyOwner, identity: RelayIdentity) {
          yield* clear(owner, identity)
          const content = keyFilesOf(identity)
          for (const part of ["ed25519", "rsa"] as const) {
            yield* files.replace({
              path: `${root}/${owner.name}/keys/${KEY_FILE_NAMES[part]}`,
              content: Redacted.value(content[part]),
              mode: KEY_FILE_MODE,
              uid: owner.uid,
              gid: owner.gid
            }).pipe(Effect.mapError(({ message }) => notWritten(owner, message)))
          }
        })

        return KeyFileWriter.of({ write, clearDerived })
      })
    )

  static readonly layer = KeyFileWriter.layerAt(INSTANCES_STATE)
}

const notWritten = (owner: KeyOwner, why: string): KeyFilesNotWritten =>
  new KeyFilesNotWritten({ message: `the key files of ${owner.name} could not be written: ${why}` })

/**
 * Makes `keys` where it is missing, and removes the derived files. Links are not followed (see KeyDirectory.ts). Before
 * an identity is written, the RSA file of another goes too: beside the new ed25519 file it would pass, after a kill, for
 * the second half of an identity that no relay has.
 */
const clearNow = async (root: string, owner: KeyOwner, next: RelayIdentity | undefined): Promise<void> => {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  await using state = await fs.open(`${root}/${owner.name}`, flags)
  const path = `/proc/self/fd/${state.fd}/keys`
  const made = await fs.mkdir(path, { mode: 0o700 }).then(() => true, (cause: unknown) => {
    if (errorCode(cause) === "EEXIST") return false
    throw cause
  })
  await using keys = await fs.open(path, flags)
  if (made) await keys.chown(owner.uid, owner.gid)
  const inside = (name: string) => `/proc/self/fd/${keys.fd}/${name}`
  for (const name of DERIVED) await fs.rm(inside(name), { force: true })
  if (next === undefined) return
  const rsa = inside(KEY_FILE_NAMES.rsa)
  if (!await isRsaFileOf(rsa, next)) await fs.rm(rsa, { force: true })
}

/** What cannot be opened or read as a key is no file of this identity. Not blocking, for it may be a FIFO. */
const isRsaFileOf = async (path: string, identity: RelayIdentity): Promise<boolean> => {
  try {
    await using file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > KEY_FILE_LIMIT) return false
    const rsa = Redacted.make<Uint8Array>(await file.readFile())
    const found = identityFromKeyFiles({ ed25519: keyFilesOf(identity).ed25519, rsa })
    return Result.isSuccess(found) && identityDigest(found.success) === identityDigest(identity)
  } catch {
    return false
  }
}
