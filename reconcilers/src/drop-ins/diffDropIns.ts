import { type Change, differences } from "@patela/domain/reconciler/Change"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import type { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import type { Known } from "../host/FileMemory.ts"
import { dropInFileOf } from "../host/HostPaths.ts"
import { type DesiredDropIn, DROP_IN_MODE } from "./DesiredDropIn.ts"
import { leavesMore, withLimitOf } from "./limitLine.ts"

/** A drop-in on the host, or one that is gone and that systemd may still have. */
export interface ObservedDropIn {
  readonly relay: RelayName
  readonly found: Known<string>
  /** The stamp of the file that systemd was seen to have read; undefined where it was not seen. */
  readonly loaded: string | undefined
}

export type DropInChange = Change<DesiredDropIn, ObservedDropIn>

/** Pure. The whole file is managed, and that systemd has read it. A file without the header is never removed. */
export const diffDropIns = (
  desired: ReadonlyArray<Resource<DesiredDropIn>>,
  observed: ReadonlyMap<ResourceAddress, ObservedDropIn>
): ReadonlyArray<DropInChange> =>
  differences({
    desired,
    observed,
    compare,
    created: ({ content }) => settingsIn(content).map((line) => `+ ${line}`),
    removed: (seen) => {
      const scope = relayScope(seen.relay)
      if (seen.found.type === "absent") return { scope, lines: ["systemd may still have a drop-in that is gone"] }
      return isForeign(seen) ? undefined : { scope, lines: [`file ${dropInFileOf(seen.relay)}`] }
    }
  })

/** Somebody else's stands where Patela's drop-in would be. */
export const isForeign = ({ found }: ObservedDropIn): boolean =>
  found.type === "not a file" || (found.type === "file" && found.content.split("\n", 1)[0] !== OWNED_HEADER)

/**
 * The drop-in before the relay's tor has read its torrc: a limit of memory that is to be lower stays, for what tor keeps in
 * its queues may be more than that (MemoryLimits.ts).
 */
export const beforeTorrc = (desired: DesiredDropIn, observed: ObservedDropIn): DesiredDropIn => {
  const { found } = observed
  return found.type === "file" && !isForeign(observed) && leavesMore(found.content, desired.content)
    ? { ...desired, content: withLimitOf(desired.content, found.content) }
    : desired
}

/** What is wrong with the file itself, whatever systemd knows of it. */
export const wrongInFile = (desired: DesiredDropIn, { found }: ObservedDropIn): ReadonlyArray<string> => {
  if (found.type !== "file") return [`${dropInFileOf(desired.relay)} is missing`]
  const { content, gid, mode, uid } = found
  const [is, should] = [settingsIn(content), settingsIn(desired.content)]
  const settings = [
    ...is.filter((line) => !should.includes(line)).map((line) => `- ${line}`),
    ...should.filter((line) => !is.includes(line)).map((line) => `+ ${line}`)
  ]
  return [
    ...(content === desired.content ? [] : settings.length > 0 ? settings : ["other text or order"]),
    ...(mode === DROP_IN_MODE ? [] : [`mode ${mode.toString(8)} -> ${DROP_IN_MODE.toString(8)}`]),
    ...(uid === 0 && gid === 0 ? [] : [`owner ${uid}:${gid} -> 0:0`])
  ]
}

const compare = (desired: DesiredDropIn, observed: ObservedDropIn): ReadonlyArray<string> => {
  if (isForeign(observed)) return [`${dropInFileOf(desired.relay)} is not Patela's`]
  const wrong = wrongInFile(beforeTorrc(desired, observed), observed)
  if (wrong.length > 0) return wrong
  const { found, loaded } = observed
  return found.type === "file" && found.stamp === loaded ? [] : ["systemd has not read it yet: daemon-reload"]
}

const settingsIn = (content: string): ReadonlyArray<string> =>
  content.split("\n").filter((line) => /^[A-Za-z]+=/.test(line))
