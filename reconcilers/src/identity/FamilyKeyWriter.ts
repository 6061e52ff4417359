import type { FamilyId } from "@patela/domain/family/FamilyId"
import { familyFileOf, type FamilySecret } from "@patela/domain/family/FamilySecret"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Redacted } from "effect"
import * as fs from "node:fs"
import { INSTANCES_STATE } from "../host/HostPaths.ts"
import { ReplaceFile } from "../host/ReplaceFile.ts"
import { causeText } from "../host/SystemError.ts"
import { familyFileName } from "./FamilyKeyReader.ts"
import type { KeyOwner } from "./HostIdentity.ts"
import { directoryAt, KEY_FILE_MODE } from "./KeyDirectory.ts"
import { KeyFilesNotWritten } from "./KeyFileWriter.ts"

/** Puts family keys in place. */
export class FamilyKeyWriter extends Context.Service<FamilyKeyWriter, {
  /** The file that tor reads, with the relay's owner and mode 0600. */
  readonly write: (owner: KeyOwner, id: FamilyId, secret: FamilySecret) => Effect.Effect<void, KeyFilesNotWritten>
  /** Takes away a file that was found; one that is gone is fine. */
  readonly remove: (name: RelayName, file: string) => Effect.Effect<void, KeyFilesNotWritten>
}>()("@patela/reconcilers/identity/FamilyKeyWriter") {
  /** Relays' state directories are in `root`. */
  static readonly layerAt = (root: string): Layer.Layer<FamilyKeyWriter, never, ReplaceFile> =>
    Layer.effect(
      FamilyKeyWriter,
      Effect.map(ReplaceFile, (files) =>
        FamilyKeyWriter.of({
          write: Effect.fn("FamilyKeyWriter.write")((owner: KeyOwner, id: FamilyId, secret: FamilySecret) =>
            files.replace({
              path: `${root}/${owner.name}/keys/${familyFileName(id)}`,
              content: Redacted.value(familyFileOf(secret)),
              mode: KEY_FILE_MODE,
              uid: owner.uid,
              gid: owner.gid
            }).pipe(Effect.mapError(({ message }) => notWritten(owner.name, message)))
          ),
          remove: Effect.fn("FamilyKeyWriter.remove")((name: RelayName, file: string) =>
            Effect.try({
              try: () => removeNow(root, name, file),
              catch: (cause) => notWritten(name, causeText(cause))
            })
          )
        }))
    )

  static readonly layer = FamilyKeyWriter.layerAt(INSTANCES_STATE)
}

const notWritten = (name: RelayName, why: string): KeyFilesNotWritten =>
  new KeyFilesNotWritten({ message: `the family keys of ${name} could not be put right: ${why}` })

const removeNow = (root: string, name: RelayName, file: string): void => {
  using state = directoryAt(`${root}/${name}`)
  using keys = state === undefined ? undefined : directoryAt(`/proc/self/fd/${state.fd}/keys`)
  if (keys !== undefined) fs.rmSync(`/proc/self/fd/${keys.fd}/${file}`, { force: true })
}
