import { Result, Stream } from "effect"
import { HostMonitor, type MonitorEnded, type MonitorEvent } from "./HostMonitor.ts"

/** The routing table of relays. Whatever is about it, or about a rule that leads to it, has this number in its line. */
const RELAY_TABLE = "8020"

/**
 * What happened: to a link or an address on one; to something that has the relay table's number in it; or, as in
 * `MonitorEvent`, that listening began or events were lost.
 */
export type IpChange = "link or address" | "relay routing" | "listening" | "lost"

/** One process for both families and every kind; numbers instead of names, one line an event (ip-monitor(8)). */
const COMMAND = ["ip", "-N", "-o", "monitor", "link", "address", "route", "rule"] as const

/** What happens to the links, addresses, routes and rules of the host; see `ipChangeReader` for what is left out. */
export const ipChanges: Stream.Stream<IpChange, MonitorEnded, HostMonitor> = Stream.unwrap(
  HostMonitor.useSync((monitor) => {
    const read = ipChangeReader()
    return monitor.events(...COMMAND).pipe(
      Stream.filterMap((event) => {
        const change = read(event)
        return change === undefined ? Result.fail(undefined) : Result.succeed(change)
      })
    )
  })
)

/**
 * Reads the lines of `ip monitor` one after the other. undefined: of a route or rule that is nothing to relays, or of a
 * link or an address that is as it was. The latter is what each router advertisement says of an address made by one, whose
 * lifetime alone is renewed; so a line counts only where it differs from the last one about the same thing.
 */
export const ipChangeReader = (): (event: MonitorEvent) => IpChange | undefined => {
  const last = new Map<string, string>()
  return (event) => {
    if (event.event === "line") return ofLine(event.text, last)
    last.clear()
    return event.event
  }
}

const ofLine = (line: string, last: Map<string, string>): IpChange | undefined => {
  const [, index, address = ""] = SUBJECT.exec(line) ?? []
  if (index === undefined) return line.includes(RELAY_TABLE) ? "relay routing" : undefined
  // The link's name is not of the subject: a link that was renamed, and back, has changed twice.
  const subject = `${index} ${address}`
  if (line.startsWith("Deleted ")) {
    last.delete(subject)
    return "link or address"
  }
  const said = line.replace(LIFETIMES, "")
  if (last.get(subject) === said) return undefined
  last.set(subject, said)
  return "link or address"
}

/** `3: e0    inet 192.0.2.1/24 ...` of an address, `3: e0@e1: <UP> ...` of a link; a rule has a tab after its number. */
const SUBJECT = /^(?:Deleted )?(\d+): \S+(?: +(inet6? \S+))?/

const LIFETIMES = /valid_lft \S+ preferred_lft \S+/
