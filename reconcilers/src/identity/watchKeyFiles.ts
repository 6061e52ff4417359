import { Stream } from "effect"
import { FileMonitor } from "../host/FileMonitor.ts"
import { INSTANCES_STATE } from "../host/HostPaths.ts"
import { KEY_FILE_NAMES } from "./RelayIdentity.ts"

/** That something became of the key files that are a relay's identity; for the `kind` that asks. */
export const watchKeyFiles = (kind: string) =>
  Stream.unwrap(
    FileMonitor.useSync((files) =>
      files.changes(kind, Object.values(KEY_FILE_NAMES).map((name) => `${INSTANCES_STATE}/*/keys/${name}`))
    )
  )
