import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { StoreServicesNoDatabase } from "../src/commands/StoreServices.ts"
import { Administration } from "../src/nodes/Administration.ts"
import { Nodes } from "../src/nodes/Nodes.ts"
import { layerAt } from "../src/store/Store.ts"
import { eventually } from "./rig/eventually.ts"
import { enlistMany, node1 } from "./rig/Fleet.ts"
import { temporaryDirectory } from "./rig/temporaryDirectory.ts"

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const Line = Schema.fromJsonString(Schema.Struct({
  at: Schema.String,
  of: Schema.Literals(["node", "relay"]),
  name: Schema.String,
  field: Schema.String,
  before: Schema.NullOr(Schema.String),
  after: Schema.NullOr(Schema.String)
}))

/** `patela watch` in a process of its own, whose output is a pipe, until the scope ends. */
const watching = (path: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const env = { PATH: process.env["PATH"], DATABASE_URL: `sqlite:${path}` }
      const child = spawn(process.execPath, [MAIN, "watch", ...args], { env })
      const said: Array<string> = []
      createInterface({ input: child.stdout }).on("line", (line) => said.push(line))
      return { child, said }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.map(({ said }) => said))

describe("patela watch", () => {
  it.live("tells all at first and then what changes, in lines for a journal and in JSON", () =>
    Effect.gen(function*() {
      const path = `${yield* temporaryDirectory}/patela.db`
      const services = yield* Layer.build(Layer.provide(StoreServicesNoDatabase, layerAt(path)))
      yield* enlistMany(2).pipe(Effect.provide(services))
      const [json, lines] = [yield* watching(path, "--json"), yield* watching(path)]
      const decoded = Effect.suspend(() => Effect.forEach(json, (line) => Schema.decodeEffect(Line)(line)))
      const hears = (needle: string) =>
        eventually(needle, () => lines.some((line) => line.includes(needle)) && json.length >= lines.length, 30_000)
      yield* hears("node 2 state: - -> waiting")
      yield* Effect.flatMap(Administration, (administration) => administration.setEnabled("test", node1, true)).pipe(
        Effect.provide(services)
      )
      yield* hears("node 1 state: waiting -> enabled")
      yield* Effect.flatMap(Nodes, (nodes) =>
        nodes.saveReports([{
          node: node1,
          report: { generation: 1, rolled_back: null, relays: [], tor_version: null }
        }])).pipe(
          Effect.provide(services)
        )
      yield* hears("node 1 configuration: unknown -> current")
      const found = (yield* decoded).map(({ after, before, field, name, of }) =>
        [of, name, field, before, after].join(" ")
      )
      assert.include(found, "node 1 state waiting enabled")
      assert.include(found, "node 1 configuration unknown current")
      assert.notMatch([...json, ...lines].join(""), /\u001b/)
    }).pipe(Effect.scoped), 120_000)
})
