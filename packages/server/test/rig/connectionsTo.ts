import { readFileSync } from "node:fs"

/** ESTABLISHED, as the kernel numbers states (include/net/tcp_states.h). */
const ESTABLISHED = "01"

/**
 * How many connections a server on 127.0.0.1 has that others opened to its port (proc(5), /proc/net/tcp), those to its
 * database left out.
 */
export const connectionsTo = ({ port }: { readonly port: number }): number => {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`
  // A line can be there twice: the kernel goes on from the same place in a table that changed since (proc(5) gives no snapshot).
  const remote = new Set<string | undefined>()
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n")) {
    const [, address, other, state] = line.trim().split(/\s+/)
    if (address === local && state === ESTABLISHED) remote.add(other)
  }
  return remote.size
}
