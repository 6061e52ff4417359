import { Option, Schema } from "effect"

/** What to ask an `ip -j -batch -` that is kept, before anything that it answers with the names of links. */
export const LINKS = "link show"

const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ ifindex: Schema.Int, ifname: Schema.NonEmptyString })))
const decodeLinks = Schema.decodeUnknownOption(Links)

/**
 * Whether the names of links are still those that were seen before by the same asker. An ip that runs on never forgets
 * the name that an index had (iproute2 6.1, ll_map.c), and prints it for a route by that link after it was renamed; the
 * name in its list of links is the kernel's.
 */
export const linkNames = () => {
  const known = new Map<string, ReadonlyMap<number, string>>()
  // The same text again says nothing new; one that was found to be untrue is not kept.
  const held = new Map<string, string>()
  return (asker: string, links: string): boolean => {
    if (held.get(asker) === links) return true
    held.delete(asker)
    const found = decodeLinks(links)
    if (Option.isNone(found)) return false
    const before = known.get(asker)
    const now = new Map(found.value.map(({ ifindex, ifname }) => [ifindex, ifname]))
    known.set(asker, new Map([...before ?? [], ...now]))
    const holds = [...now].every(([index, name]) => (before?.get(index) ?? name) === name)
    if (holds) held.set(asker, links)
    return holds
  }
}
