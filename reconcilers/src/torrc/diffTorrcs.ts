import { type Change, differences } from "@patela/domain/reconciler/Change"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import { lineDifferences } from "@patela/domain/torrc/lineDifferences"
import { torrcFileOf } from "../host/HostPaths.ts"
import { type DesiredTorrc, TORRC_MODE } from "./DesiredTorrc.ts"
import { hasHeader, type ObservedTorrc, whyForeign } from "./ObservedTorrc.ts"

export type TorrcChange = Change<DesiredTorrc, ObservedTorrc>

/** Pure. The whole file is managed: text, mode, owner. Only a file with Patela's header is removed. */
export const diffTorrcs = (
  desired: ReadonlyArray<Resource<DesiredTorrc>>,
  observed: ReadonlyMap<ResourceAddress, ObservedTorrc>
): ReadonlyArray<TorrcChange> =>
  differences({
    desired,
    observed,
    compare,
    created: ({ content }) => lineDifferences("", content),
    removed: (torrc) =>
      hasHeader(torrc)
        ? { scope: relayScope(torrc.relay), lines: [`file ${torrcFileOf(torrc.relay)}`] }
        : undefined
  })

const compare = (desired: DesiredTorrc, observed: ObservedTorrc): ReadonlyArray<string> => {
  const foreign = whyForeign(observed)
  if (foreign !== undefined) return [`${torrcFileOf(desired.relay)} ${foreign}`]
  const { found } = observed
  if (found.type !== "file") return []
  const text = found.content === desired.content ? [] : lineDifferences(found.content, desired.content)
  return [
    // Files can differ where no line does: in the newline at the end.
    ...(found.content !== desired.content && text.length === 0 ? ["the end of the file"] : text),
    ...(found.mode === TORRC_MODE ? [] : [`mode ${octal(found.mode)} -> ${octal(TORRC_MODE)}`]),
    ...(found.uid === 0 && found.gid === desired.gid
      ? []
      : [`owner ${found.uid}:${found.gid} -> 0:${desired.gid}`])
  ]
}

const octal = (mode: number): string => mode.toString(8).padStart(4, "0")
