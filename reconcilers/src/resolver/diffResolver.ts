import { type Change, differences } from "@patela/domain/reconciler/Change"
import type { Resource, ResourceAddress } from "@patela/domain/reconciler/Resource"
import { RESOLVER_FILE } from "@patela/domain/torrc/ManagedLines"
import { type DesiredResolver, isPatelas, type ObservedResolver, RESOLVER_MODE } from "./ResolverFile.ts"

export type ResolverChange = Change<DesiredResolver, ObservedResolver>

/** Pure. The whole file is managed: text, mode, owner. A file without the header is never removed. */
export const diffResolver = (
  desired: ReadonlyArray<Resource<DesiredResolver>>,
  observed: ReadonlyMap<ResourceAddress, ObservedResolver>
): ReadonlyArray<ResolverChange> =>
  differences({
    desired,
    observed,
    compare,
    created: ({ content }) => serversIn(content).map((server) => `+ ${server}`),
    removed: (seen) => isPatelas(seen) ? { scope: "node", lines: [`file ${RESOLVER_FILE}`] } : undefined
  })

const compare = (desired: DesiredResolver, observed: ObservedResolver): ReadonlyArray<string> => {
  if (!isPatelas(observed) || observed.type !== "file") return [`${RESOLVER_FILE} is not Patela's`]
  const { content, gid, mode, uid } = observed
  const [is, should] = [serversIn(content), serversIn(desired.content)]
  const servers = [
    ...is.filter((server) => !should.includes(server)).map((server) => `- ${server}`),
    ...should.filter((server) => !is.includes(server)).map((server) => `+ ${server}`)
  ]
  return [
    ...(content === desired.content ? [] : servers.length > 0 ? servers : ["other text or order"]),
    ...(mode === RESOLVER_MODE ? [] : [`mode ${mode.toString(8)} -> ${RESOLVER_MODE.toString(8)}`]),
    ...(uid === 0 && gid === 0 ? [] : [`owner ${uid}:${gid} -> 0:0`])
  ]
}

const serversIn = (content: string): ReadonlyArray<string> =>
  content.split("\n").filter((line) => /^nameserver [0-9a-f:.]+$/.test(line))
