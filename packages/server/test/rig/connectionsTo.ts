import { readFileSync } from "node:fs"

/** ESTABLISHED, as the kernel numbers states (include/net/tcp_states.h). */
const ESTABLISHED = "01"

/**
 * How many connections a server on 127.0.0.1 has that others opened to its port (proc(5), /proc/net/tcp), those to its
 * database left out.
 */
export const connectionsTo = ({ port }: { readonly port: number }): number => {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`
  return readFileSync("/proc/net/tcp", "utf8").split("\n")
    .filter((line) => {
      const [, address, , state] = line.trim().split(/\s+/)
      return address === local && state === ESTABLISHED
    }).length
}
