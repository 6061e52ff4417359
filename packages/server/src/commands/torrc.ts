import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Console, Effect, FileSystem, Option, Schema, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { scopeText, TorrcLayers, type TorrcScope } from "../torrc/TorrcLayers.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

const layerArguments = {
  layer: Argument.Literals("layer", ["default", "node", "relay"]).pipe(
    Argument.withDescription("default: of all relays. node: of one node's. relay: of one")
  ),
  target: Argument.String("target").pipe(
    Argument.withDescription("The node's number, or the relay's name"),
    Argument.optional
  )
}

const scopeOf = Effect.fnUntraced(function*(input: {
  readonly layer: "default" | "node" | "relay"
  readonly target: Option.Option<string>
}): Effect.fn.Return<TorrcScope, CommandFailed> {
  const { layer } = input
  const target = Option.getOrUndefined(input.target)
  if (layer === "default") {
    if (target === undefined) return { of: "default" }
    return yield* new CommandFailed({ message: `The default layer is of all relays: leave ${target} away` })
  }
  if (layer === "node") {
    const id = /^\d{1,10}$/.test(target ?? "") ? Number(target) : undefined
    if (Schema.is(NodeId)(id)) return { of: "node", id }
    return yield* new CommandFailed({ message: "Which node? Give its number, for example: node 5" })
  }
  if (Schema.is(RelayName)(target)) return { of: "relay", name: target }
  return yield* new CommandFailed({ message: "Which relay? Give its name, for example: relay toma" })
})

const fromStdin = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  return yield* Stream.mkString(Stream.decodeText(stdio.stdin))
})

const readText = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* (file === "-" ? fromStdin : fs.readFileString(file)).pipe(
    Effect.mapError(({ reason }) => new CommandFailed({ message: `${file} cannot be read: ${reason._tag}` }))
  )
})

const importLayer = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The torrc to import; - reads stdin")),
    ...layerArguments
  },
  Effect.fn("torrc.import")(function*({ file, layer, target }) {
    const scope = yield* scopeOf({ layer, target })
    const text = yield* readText(file)
    const warnings = yield* (yield* TorrcLayers).import(yield* administrator, scope, text)
    for (const { line, message } of warnings) yield* Console.error(`warning: line ${line}: ${message}`)
    yield* Console.log(`The torrc of ${scopeText(scope)} is imported.`)
  })
).pipe(
  Command.withDescription("Replace one layer of torrc. What is refused is named by line, and nothing is stored then"),
  Command.withExamples([
    { command: "patela torrc import ./torrc default", description: "For all relays" },
    { command: "patela torrc import - relay toma < toma.torrc", description: "For one relay, from stdin" }
  ]),
  Command.provide(StoreServices)
)

const get = Command.make(
  "get",
  {
    ...layerArguments,
    resolved: Flag.Boolean("resolved").pipe(
      Flag.withDescription("Merged with the layers below it, as a relay gets it"),
      Flag.withDefault(false)
    ),
    json: jsonFlag
  },
  Effect.fn("torrc.get")(function*({ layer, target, resolved, json }) {
    const scope = yield* scopeOf({ layer, target })
    const layers = yield* TorrcLayers
    const text = yield* resolved ? layers.resolved(scope) : layers.get(scope)
    if (json) return yield* printJson({ layer: scopeText(scope), resolved, torrc: text })
    yield* Console.log(text.replace(/\n$/, ""))
  })
).pipe(
  Command.withDescription("Print a layer of torrc"),
  Command.withExamples([
    { command: "patela torrc get default", description: "As it was imported" },
    { command: "patela torrc get relay toma --resolved", description: "What the relay toma is told" }
  ]),
  Command.provide(StoreServices)
)

export const torrc = Command.make("torrc").pipe(
  Command.withDescription("Layers of torrc: default, node, relay"),
  Command.withSubcommands([importLayer, get])
)
