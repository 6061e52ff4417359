import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { INSTANCES_STATE } from "../host/HostPaths.ts"
import { ReplaceFile } from "../host/ReplaceFile.ts"
import { causeText, errorCode } from "../host/SystemError.ts"
import type { KeyOwner } from "./HostIdentity.ts"
import { KEY_FILE_MODE } from "./KeyFileReader.ts"
import { KEY_FILE_NAMES, keyFilesOf, type RelayIdentity } from "./RelayIdentity.ts"

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
  /** Both files, with the relay's owner and mode 0600; what tor derived from an earlier identity goes away first. */
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

        const clearDerived = Effect.fn("KeyFileWriter.clearDerived")((owner: KeyOwner) =>
          Effect.tryPromise({ try: () => clearNow(root, owner), catch: (cause) => notWritten(owner, causeText(cause)) })
        )

        const write = Effect.fn("KeyFileWriter.write")(function*(owner: KeyOwner, identity: RelayIdentity) {
          yield* clearDerived(owner)
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

/** Makes `keys` where it is missing, and removes the derived files. Links are not followed (see KeyFileReader.ts). */
const clearNow = async (root: string, owner: KeyOwner): Promise<void> => {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  await using state = await fs.open(`${root}/${owner.name}`, flags)
  const path = `/proc/self/fd/${state.fd}/keys`
  const made = await fs.mkdir(path, { mode: 0o700 }).then(() => true, (cause: unknown) => {
    if (errorCode(cause) === "EEXIST") return false
    throw cause
  })
  await using keys = await fs.open(path, flags)
  if (made) await keys.chown(owner.uid, owner.gid)
  for (const name of DERIVED) await fs.rm(`/proc/self/fd/${keys.fd}/${name}`, { force: true })
}
