import { withForeseen } from "@patela/agent/converge/foreseen"
import { plan } from "@patela/agent/converge/Plan"
import { kindsFor } from "@patela/agent/Kinds"
import type { PlanView } from "@patela/agent/present/PlanView"
import { FamilyId } from "@patela/domain/family/FamilyId"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot, uidOf } from "@patela/domain/relay/Slot"
import { familyFileName } from "@patela/reconcilers/identity/FamilyKeyReader"
import { storeTagOf } from "@patela/reconcilers/identity/IdentityStore"
import { loadedFrom } from "@patela/reconcilers/units/LoadedTorrc"
import { Effect, Schema } from "effect"
import { bareHost, FACTS, fingerprintsFor, hostOf, identityOf, type PresentHost, readersOf } from "./PresentHost.ts"

/** A plan to be shown: a host, and what it should run. */
export interface PresentCase {
  readonly host: PresentHost
  readonly config: NodeConfig
  /** The configuration was converged to before, so that a difference is drift. */
  readonly known?: boolean
  readonly source?: PlanView["source"]
  readonly relayInterface?: string | undefined
  readonly held?: PlanView["held"]
}

const CHEESES = ["toma", "robiola", "brie", "asiago", "fontina", "taleggio", "raschera", "castelmagno"]

/** Names of relays: cheeses, and numbered ones when those run out. */
const nameAt = (index: number): string =>
  `${CHEESES[index % CHEESES.length] ?? "toma"}${index < CHEESES.length ? "" : Math.floor(index / CHEESES.length) + 1}`

interface Wanted {
  readonly count: number
  readonly torrc?: (name: string) => string
  /** The server has their fingerprints. */
  readonly known?: boolean
  readonly but?: (relay: Record<string, unknown>) => Record<string, unknown>
}

/** A configuration of so many relays, of addresses that are for documentation (RFC 5737, RFC 3849). */
export const configOf = ({ but = (relay) => relay, count, known = true, torrc = () => TORRC }: Wanted): NodeConfig =>
  Schema.decodeUnknownSync(NodeConfig)({
    relays: Array.from({ length: count }, (_, slot) => {
      const name = nameAt(slot)
      return but({
        name,
        slot,
        ip_v4: `198.51.100.${10 + slot}`,
        ip_v6: `2001:db8::${(10 + slot).toString(16)}`,
        or_port: 9001,
        dir_port: null,
        torrc: torrc(name),
        fingerprint: known ? fingerprintsFor(name) : null
      })
    }),
    generation: 12,
    removed: [],
    network: {
      gateway_v4: "198.51.100.1",
      gateway_v6: "2001:db8::1",
      prefix_v4: 24,
      prefix_v6: 64,
      dns: ["192.0.2.53"],
      pools: [
        { family: "ipv4", first: "198.51.100.10", last: "198.51.100.200" },
        { family: "ipv6", first: "2001:db8::a", last: "2001:db8::ff" }
      ]
    },
    geoip: false,
    test_network: false
  })

const TORRC = "ContactInfo \"tor@example.org\"\nExitPolicy reject *:*\n"
const name = (text: string): RelayName => RelayName.make(text)
const changed = (host: PresentHost, change: (host: PresentHost) => void): PresentHost => {
  change(host)
  return host
}

/** Puts another text into a relay's torrc, as somebody with an editor does. */
const edit = (host: PresentHost, relay: string, change: (text: string) => string): void => {
  const torrc = host.torrcs.get(name(relay))
  if (torrc?.type === "file") host.torrcs.set(name(relay), { ...torrc, content: change(torrc.content) })
}

/** A look through every kind, as `diff` takes it. */
export const viewOf = Effect.fnUntraced(function*(each: PresentCase) {
  const { config, held, host, known = false, source = { from: "server", url: "https://192.0.2.1:8020" } } = each
  const facts = "relayInterface" in each && each.relayInterface === undefined
    ? { ...FACTS, relayInterface: { found: false, why: "no link whose name begins with e is free" } as const }
    : FACTS
  const look = yield* plan(kindsFor({ skipNet: false }), { config, facts, configIsNew: !known }).pipe(
    Effect.provide(readersOf(host))
  )
  return { ...withForeseen(look), config, source, ...(held === undefined ? {} : { held }) } satisfies PlanView
})

const three = configOf({ count: 3 })
const many = configOf({ count: 64 })

/** Every case of the golden files, by the name of its folder. */
export const PRESENT_CASES: Readonly<Record<string, () => PresentCase>> = {
  "family-rotated": () => {
    const [old, fresh] = [FamilyId.make("o".repeat(43)), FamilyId.make("n".repeat(43))]
    const before = { ...three, family: { ids: [old], members: [] } }
    const keys = (slot: number) => [
      { file: familyFileName(old), id: old, mode: 0o600, uid: uidOf(Slot.make(slot)), gid: uidOf(Slot.make(slot)) }
    ]
    return {
      config: { ...three, family: { ids: [fresh, old], members: [] } },
      host: changed(hostOf(before), (host) => {
        three.relays.forEach((relay, slot) => host.familyKeys.set(relay.name, keys(slot)))
      })
    }
  },
  // What docs/operations.md shows.
  "in-the-manual": () => {
    const torrc = (each: string) => each === "asiago" || each === "fontina" ? TORRC.replace("reject", "accept") : TORRC
    const config = configOf({ count: 10, torrc: (each) => each === "brie" ? `${TORRC}User root\n` : torrc(each) })
    const before = configOf({
      count: 10,
      but: (relay) =>
        relay["slot"] === 9
          ? { ...relay, name: "gorgonzola", slot: 10, ip_v4: "198.51.100.20", ip_v6: "2001:db8::14" }
          : relay
    })
    return {
      config,
      source: { from: "file", path: "node.json" },
      host: changed(hostOf(before), (host) => {
        host.units.set(name("brie"), { active: "failed", loaded: undefined })
        host.stored.set(storeTagOf(name("robiola2")), identityOf("robiola2"))
        edit(host, "toma", (text) => `${text}HashedControlPassword 16:872860B76453A77D\n`)
      })
    }
  },
  "in-sync": () => ({ host: hostOf(three), config: three, known: true }),
  "first-run": () => ({ host: bareHost(), config: configOf({ count: 3, known: false }) }),
  "first-run-of-64": () => ({ host: bareHost(), config: configOf({ count: 64, known: false }) }),
  "after-a-reboot": () => ({
    host: changed(bareHost(), (host) => {
      for (const relay of three.relays) host.stored.set(storeTagOf(relay.name), identityOf(relay.name))
    }),
    config: three
  }),
  "drift-of-each-kind": () => {
    const config = configOf({ count: 8 })
    return {
      config,
      known: true,
      host: changed(hostOf(config), (host) => {
        host.resolver = {
          type: "file",
          content: "# Managed by patela: changes are overwritten\nnameserver 192.0.2.99\n",
          mode: 0o600,
          uid: 0,
          gid: 0
        }
        host.groups.delete("_tor-toma")
        host.paths.set("/var/lib/tor-instances/robiola/keys", { type: "directory", mode: 0o2755, uid: 0, gid: 0 })
        host.paths.set("/etc/tor/instances/robiola", { type: "absent" })
        const keys = host.keys.get(name("brie"))
        if (keys?.seen.state === "present") {
          host.keys.set(name("brie"), { ...keys, seen: { ...keys.seen, untidy: ["secret_id_key: mode 644 -> 600"] } })
        }
        edit(host, "asiago", (text) => text.replace("ExitPolicy reject *:*", "ExitPolicy accept *:*"))
        host.addresses = host.addresses.filter(({ address }) => address !== "198.51.100.14")
          .concat({ address: "198.51.100.77", prefix: 24, linkLocal: false, failed: false })
        host.routes = host.routes.filter(({ role }) => role !== "rule-mark")
        host.elements = host.elements.filter(({ json }) => !JSON.stringify(json).includes("198.51.100.15"))
        host.dropIns.delete(name("brie"))
        host.settings.set("net/core/somaxconn", "128")
        host.units.set(name("raschera"), { active: "failed", loaded: undefined })
        host.stored.delete(storeTagOf(name("castelmagno")))
      })
    }
  },
  "torrc-of-all": () => ({
    host: hostOf(many),
    config: configOf({ count: 64, torrc: () => TORRC.replace("tor@", "relays@") + "RelayBandwidthRate 5 MBytes\n" }),
    source: { from: "file", path: "node.json" }
  }),
  "torrc-with-secrets": () => ({
    host: changed(hostOf(three), (host) => {
      edit(
        host,
        "toma",
        (text) =>
          `${text}# the password is canary\nHashedControlPassword 16:canary\nSocks5ProxyPassword \\\n  canary\\\n canary\n` +
          "NoSuchOption canary\nBandwidthRate 1 MB # canary\nControlSocket /tmp/canary\n"
      )
      edit(host, "robiola", (text) => text.replace("ExitPolicy reject *:*", "ExitPolicy accept *:80, \\\n  reject *:*"))
    }),
    config: configOf({
      count: 3,
      torrc: (each) => each === "brie" ? `${TORRC}HashedControlPassword 16:canary\n` : TORRC
    })
  }),
  // Of three relays on one address the first goes and another comes.
  "shared-address": () => {
    const together = (relay: Record<string, unknown>) => ({
      ...relay,
      ip_v4: "198.51.100.10",
      or_port: [443, 9001, 9002, 9003][Number(relay["slot"])]
    })
    const config = configOf({ count: 4, but: together })
    return {
      host: hostOf({ ...config, relays: config.relays.slice(0, 3) }),
      config: { ...config, relays: config.relays.slice(1) }
    }
  },
  "relay-removed": () => ({
    host: hostOf(configOf({ count: 4 })),
    config: configOf({ count: 2 })
  }),
  "held-back": () => {
    const none = configOf({ count: 0 })
    const addresses = ["account", "directories", "torrc", "unit"].map((kind) => `relay/toma/${kind}`)
    return {
      host: hostOf(configOf({ count: 1 })),
      config: none,
      held: addresses.map((address) => ({
        address,
        scope: `relay/${name("toma")}` as const,
        why: "nothing is removed on an empty configuration"
      }))
    }
  },
  "blocked-chain": () => ({
    host: bareHost(),
    config: configOf({
      count: 3,
      known: false,
      but: (relay) => relay["name"] === "robiola" ? { ...relay, slot: 0 } : relay
    })
  }),
  "no-relay-link": () => ({ host: bareHost(), config: many, relayInterface: undefined }),
  "cannot-be-read": () => ({
    config: many,
    known: true,
    host: changed(hostOf(many), (host) => {
      host.unreadable.set("torrc", "cannot read /etc/tor/instances/toma/torrc: EACCES: permission denied")
      host.unreadable.set("key-store", "No TPM answers at device:/dev/tpmrm0. Enable the TPM 2.0 in the firmware.")
      for (const each of ["brie", "asiago"]) host.units.set(name(each), { active: "failed", loaded: loadedFrom("") })
    })
  }),
  "odd-characters": () => ({
    config: configOf({ count: 2, torrc: () => "ContactInfo \"zoë 🧀 例え\"\n" }),
    known: true,
    host: changed(hostOf(configOf({ count: 2, torrc: () => "ContactInfo \"zoë 🧀 例え\"\n" })), (host) => {
      edit(host, "toma", (text) => `${text}ContactInfo \u001b[2J\u001b]0;owned\u0007\u009b1m\u202egpj.exe\u2028x\n`)
      host.unreadable.set("accounts", "cannot read \u001b[31m/etc/passwd\u0007:\nit \u009b2J is not \u202ethere")
    })
  })
}
