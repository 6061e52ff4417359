import type { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { writeFileSync } from "node:fs"
import { StoreServicesNoDatabase } from "../../packages/server/src/commands/StoreServices.ts"
import { Administration } from "../../packages/server/src/nodes/Administration.ts"
import { Nodes } from "../../packages/server/src/nodes/Nodes.ts"
import { newTokenKey } from "../../packages/server/src/session/TokenKey.ts"
import { NetworkAdministration } from "../../packages/server/src/settings/NetworkAdministration.ts"
import { NetworkSettings } from "../../packages/server/src/settings/NetworkSettings.ts"
import { layerOf } from "../../packages/server/src/store/Store.ts"
import { TorrcLayers } from "../../packages/server/src/torrc/TorrcLayers.ts"
import { type Program, runServer } from "../../packages/server/test/rig/commandLine.ts"
import { selfSigned } from "../../packages/server/test/rig/selfSigned.ts"
import { type SoftwareTpm, softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { temporaryDirectory } from "../../packages/server/test/rig/temporaryDirectory.ts"
import { testDatabase } from "../../packages/server/test/rig/testDatabase.ts"
import { packageServer } from "../../scripts/packageServer.ts"
import { pinned } from "./processor.ts"

/** All nodes ask from one address, which no fleet does: the limits of a source are not what is measured. */
const ONE_SOURCE = { PATELA_CONNECTIONS_PER_SOURCE: "10000" }

/** Room for 20,000 nodes of three relays, of both families. */
const POOLS = {
  PATELA_FIRST_V4: "10.20.0.10",
  PATELA_PREFIX_V4: "16",
  PATELA_FIRST_V6: "2001:db8:20::10",
  PATELA_PREFIX_V6: "64"
}

const NETWORK = Schema.decodeSync(NetworkSettings)({
  gateway_v4: "10.20.0.1",
  gateway_v6: "2001:db8:20::1",
  dns: ["10.20.0.2"],
  geoip: false,
  test_network: false
})

const DEFAULT_TORRC = `ContactInfo "ops AT example DOT org"
ExitRelay 0
RelayBandwidthRate 40 MBytes
RelayBandwidthBurst 80 MBytes
`

/** A node whose keys were made, and that a person enabled. */
export interface Enabled {
  readonly id: NodeId
  readonly tpm: SoftwareTpm
}

/**
 * `patela run` as it is packaged, in a process of its own on one processor, with a database of its own, and so many nodes that are enabled
 * and were never there. `services` are what the commands are made of, in this process.
 */
export const fleetHouse = Effect.fnUntraced(function*(count: number, processor: number) {
  const folder = yield* temporaryDirectory
  const { cert, key, pem } = yield* selfSigned(folder)
  const { url, database } = yield* testDatabase(folder)
  writeFileSync(`${folder}/token.key`, Redacted.value(yield* newTokenKey), { mode: 0o600 })
  const services = yield* Layer.build(Layer.provideMerge(StoreServicesNoDatabase, layerOf(database)))
  yield* Context.get(services, TorrcLayers).import("bench", { of: "default" }, DEFAULT_TORRC)
  yield* Context.get(services, NetworkAdministration).set("bench", NETWORK)

  const nodes = yield* Effect.forEach(Array.from({ length: count }), () =>
    Effect.gen(function*() {
      const tpm = softwareTpm()
      const bound = { machines: count + 1, days: 30 }
      const { id } = Option.getOrThrow(yield* Context.get(services, Nodes).enlist(tpm.request, bound))
      yield* Context.get(services, Administration).setEnabled("bench", id, true)
      return { id, tpm } satisfies Enabled
    }))

  const variables = {
    HOME: folder,
    DATABASE_URL: url,
    PATELA_BISCUIT_KEY: `file:${folder}/token.key`,
    ...POOLS,
    ...ONE_SOURCE,
    ...profiled
  }
  yield* packageServer(`${folder}/package`)
  const packaged: Program = { command: [`${folder}/package/patela`], variables: {} }
  const start = runServer(variables, ["--cert", cert, "--key", key], 0, packaged)
  // Once before: what Node keeps of the code that it compiled is there at every start but a machine's first.
  yield* Effect.scoped(Effect.flatMap(start, ({ stop }) => stop))
  const server = yield* start
  const pid = server.pid ?? 0
  yield* pinned(pid, processor)
  return { at: { port: server.port, ca: pem }, pid, nodes, services, stop: server.stop }
})

/** Where a profile of the server is wanted: `PATELA_BENCH_PROFILE=FOLDER`. */
const profiled = process.env["PATELA_BENCH_PROFILE"] === undefined
  ? {}
  : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${process.env["PATELA_BENCH_PROFILE"]}` }

export type House = Effect.Success<ReturnType<typeof fleetHouse>>
