import { assert, describe, it } from "@effect/vitest"
import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { RelayName } from "@patela/domain/relay/RelayName"
import { OWNED_HEADER } from "@patela/domain/torrc/ManagedLines"
import { desiredTorrcs } from "@patela/reconcilers/torrc/DesiredTorrc"
import { Effect, Schema } from "effect"
import { NetworkAdministration } from "../../packages/server/src/settings/NetworkAdministration.ts"
import { TorrcLayers } from "../../packages/server/src/torrc/TorrcLayers.ts"
import { enabledMany, network, node1, specs, tokenOf } from "../../packages/server/test/rig/Fleet.ts"
import { TestApi, testApi } from "../../packages/server/test/rig/TestApi.ts"

const Relays = Schema.NonEmptyArray(Schema.Struct({ name: RelayName }))
const facts = { cpus: specs.n_cpus, memory: specs.memory, relayInterface: { found: true, name: "ens0" } } as const

const DEFAULT = "ContactInfo us\nExitPolicy reject *:25\nNumCPUs 1\nNickname nobody\n"

describe("an explained torrc", () => {
  it.effect("is the file that the node's agent writes", () =>
    Effect.gen(function*() {
      const { ask } = yield* TestApi
      const layers = yield* TorrcLayers
      yield* enabledMany(1)
      yield* (yield* NetworkAdministration).set("test", network)
      const token = yield* tokenOf(node1)
      yield* ask({ path: "/private/specs", body: specs, token })
      const told = yield* ask({ path: "/private/config/node", token })
      const [first] = yield* Schema.decodeUnknownEffect(Relays)(told.body)
      yield* layers.import("test", { of: "default" }, DEFAULT)
      yield* layers.import("test", { of: "node", id: node1 }, "\n+ExitPolicy accept *:80\n")
      yield* layers.import("test", { of: "relay", name: first.name }, "NumCPUs 2\nMaxMemInQueues 2 GB\n")
      const config = yield* Effect.map(
        Effect.all([
          ask({ path: "/private/config/node", token }),
          ask({ path: "/private/config/resolved/node", token })
        ]),
        ([relays, node]) => Object.assign({ relays: relays.body }, node.body)
      )
      const files = desiredTorrcs({ config: yield* Schema.decodeUnknownEffect(NodeConfig)(config), facts })
      assert.isAtLeast(files.length, 1)
      for (const file of files) {
        if ("refused" in file) return assert.fail(file.refused)
        const { relay, content } = file.value
        const lines = yield* layers.explained({ of: "relay", name: relay })
        assert.strictEqual([OWNED_HEADER, ...lines.map(({ text }) => text), ""].join("\n"), content)
        const from = (text: string) => lines.find((line) => line.text.startsWith(text))
        assert.deepInclude(from("ExitPolicy reject"), { from: "default", line: 2 })
        assert.deepInclude(from("ExitPolicy accept"), { from: "node 1", line: 2 })
        const own = relay === first.name
        assert.deepInclude(from("MaxMemInQueues"), own ? { from: `relay ${relay}`, line: 2 } : { from: "Patela" })
        assert.deepInclude(from("NumCPUs"), own ? { text: "NumCPUs 2" } : { from: "default", line: 3 })
        assert.deepInclude(from("Nickname"), { text: `Nickname ${relay}`, from: "Patela", line: null })
      }
    }).pipe(Effect.provide(testApi())))
})
