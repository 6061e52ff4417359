import { RelayName } from "@patela/domain/relay/RelayName"
import { UID_BASE } from "@patela/domain/relay/Slot"
import { RESOLVER_FILE } from "@patela/domain/torrc/ManagedLines"
import { configDirectoryOf, stateDirectoryOf } from "@patela/reconcilers/host/HostPaths"
import { TABLE } from "@patela/reconcilers/routing/RouteEntry"
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync
} from "node:fs"
import type { DriftOrder } from "../DriftFigures.ts"
import { addressesOf, nftChains, nftTable, routesOf, rulesOf } from "./kernelLooks.ts"
import { KernelMonitor } from "./KernelMonitor.ts"
import { kernelTrial, polledTrial, type Trial, unitTrial } from "./trials.ts"

type Relay = DriftOrder["relays"][number]

/** One way in which a host can leave what is desired. `trial` makes it happen to a relay; `pick` gives a number in [0, 1). */
export interface DriftCase {
  readonly drift: string
  /** False where this agent does not manage such a thing. */
  readonly managed: boolean
  readonly trial: (relay: Relay, pick: () => number) => Trial
}

const PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
const KERNELS_PORT_RANGE = "32768\t60999\n"

const text = (path: string): string => existsSync(path) ? readFileSync(path, "utf8") : ""
const modeOf = (path: string): number => statSync(path).mode & 0o7777

/** A file that gets another line, and is to have its bytes back. */
const edited = (path: string, line: string): Trial => {
  const before = text(path)
  return polledTrial(() => appendFileSync(path, line), () => text(path) === before)
}

const openedUp = (path: string, mode: number): Trial => {
  const before = modeOf(path)
  return polledTrial(() => chmodSync(path, mode), () => modeOf(path) === before)
}

const oneOf = <A>(values: readonly [A, ...ReadonlyArray<A>], pick: () => number): A =>
  values[Math.floor(pick() * values.length)] ?? values[0]

const dropInOf = (relay: string) => `/run/systemd/system/tor@${relay}.service.d/patela.conf`

/** As `useradd` and friends do it: a new file in the place of the old one. */
const forgetAccount = (relay: string): void => {
  const lines = text("/etc/passwd").split("\n").filter((line) => !line.startsWith(`_tor-${relay}:`))
  writeFileSync("/etc/passwd+", lines.join("\n"), { mode: 0o644 })
  renameSync("/etc/passwd+", "/etc/passwd")
}

const accountLine = (relay: string): string | undefined =>
  text("/etc/passwd").split("\n").find((line) => line.startsWith(`_tor-${relay}:`))

/** Every kind of drift, with monitors that listen for as long as this process runs. */
export const driftCases = async (order: DriftOrder): Promise<ReadonlyArray<DriftCase>> => {
  const { gatewayV4, gatewayV6, link, prefixV4, prefixV6, relays } = order
  const onAddresses = await KernelMonitor.start("ip", "monitor", "address")
  const onRoutes = await KernelMonitor.start("ip", "monitor", "route", "rule")
  const onTables = await KernelMonitor.start("nft", "monitor")
  const addresses = addressesOf(link)
  const chains = await nftChains()
  const [first] = relays
  const nameOf = (relay: Relay) => RelayName.make(relay.name)
  const always = (drift: string, trial: DriftCase["trial"]): DriftCase => ({ drift, managed: true, trial })

  return [
    always(
      "IPv4 address deleted",
      ({ ip_v4 }) => kernelTrial(onAddresses, addresses, "ip", ["address", "del", `${ip_v4}/${prefixV4}`, "dev", link])
    ),
    always(
      "IPv6 address deleted",
      ({ ip_v6 }) =>
        kernelTrial(onAddresses, addresses, "ip", ["address", "del", `${ip_v6 ?? ""}/${prefixV6}`, "dev", link])
    ),
    always("nft element deleted", ({ slot }) =>
      kernelTrial(onTables, nftTable, "nft", [
        "delete",
        "element",
        "inet",
        "patela",
        "uid_mark",
        `{ ${UID_BASE + slot} }`
      ])),
    always("nft chain flushed", (_relay, pick) => {
      const chain = chains[Math.floor(pick() * chains.length)] ?? "output"
      return kernelTrial(onTables, nftTable, "nft", ["flush", "chain", "inet", "patela", chain])
    }),
    always("routing rule deleted", (_relay, pick) => {
      const family = oneOf(["-4", "-6"] as const, pick)
      const preference = oneOf(["8020", "8021"], pick)
      return kernelTrial(onRoutes, rulesOf(family), "ip", [family, "rule", "del", "pref", preference])
    }),
    always("route deleted", (_relay, pick) => {
      const family = oneOf(["-4", "-6"] as const, pick)
      const via = family === "-4" ? gatewayV4 : gatewayV6
      return kernelTrial(
        onRoutes,
        routesOf(family, TABLE),
        "ip",
        [family, "route", "del", "default", "via", via, "dev", link, "table", String(TABLE)]
      )
    }),
    always(
      "torrc edited",
      (relay) => edited(`${configDirectoryOf(nameOf(relay))}/torrc`, "ContactInfo somebody else\n")
    ),
    always("directory chmod", (relay) => openedUp(stateDirectoryOf(nameOf(relay)), 0o777)),
    always("key file chmod", (relay) => openedUp(`${stateDirectoryOf(nameOf(relay))}/keys/secret_id_key`, 0o644)),
    always("account removed", ({ name }) => {
      const before = accountLine(name)
      return polledTrial(() => forgetAccount(name), () => accountLine(name) === before)
    }),
    always("unit stopped", ({ name }) => unitTrial(`tor@${name}.service`)),
    always("resolver file deleted", () => {
      const before = text(RESOLVER_FILE)
      return polledTrial(() => unlinkSync(RESOLVER_FILE), () => text(RESOLVER_FILE) === before)
    }),
    {
      drift: "drop-in edited",
      managed: first !== undefined && existsSync(dropInOf(first.name)),
      trial: ({ name }) => edited(dropInOf(name), "# by hand\n")
    },
    {
      drift: "sysctl changed",
      managed: text(PORT_RANGE) !== KERNELS_PORT_RANGE,
      trial: () => {
        const before = text(PORT_RANGE)
        return polledTrial(() => writeFileSync(PORT_RANGE, KERNELS_PORT_RANGE), () => text(PORT_RANGE) === before)
      }
    }
  ]
}
