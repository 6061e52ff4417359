import { NodeId } from "@patela/domain/node/NodeId"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { TorrcScope } from "../torrc/TorrcScope.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { nodeIdArgument } from "./nodeIdArgument.ts"
import { StoreServices } from "./StoreServices.ts"

/** The layer as the last arguments of a command. */
export const layerArguments = {
  layer: Argument.Literals("layer", ["default", "node", "relay"]).pipe(
    Argument.withDescription("default: of all relays. node: of one node's. relay: of one")
  ),
  target: Argument.String("target").pipe(
    Argument.withDescription("The node's number, or the relay's name"),
    Argument.optional
  )
}

export const scopeOf = Effect.fnUntraced(function*(input: {
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

export const dryRunFlag = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Say what would change, and store nothing"),
  Flag.withDefault(false)
)

/** What is said of a command over a layer. `example` is what follows the layer, and what that does. */
interface OverLayers {
  readonly command: string
  readonly description: string
  readonly example: readonly [args: string, description: string]
}

/**
 * The layers as subcommands, for a command whose own arguments come behind the layer: `default ...`, `node ID ...`,
 * `relay NAME ...`.
 */
export const overLayers = <const Own extends Command.Command.Config, E, R>(
  own: Own,
  { command, description, example: [args, does] }: OverLayers,
  run: (scope: TorrcScope, input: Command.Command.Config.InferValue<Own>) => Effect.Effect<void, E, R>
) => {
  const says = (of: string) => `${description}, ${of}`
  const examples = (layer: string) => [{ command: `patela torrc ${command} ${layer} ${args}`, description: does }]
  return [
    Command.make("default", { own }, (input) => run({ of: "default" }, input.own)).pipe(
      Command.withDescription(says("of all relays")),
      Command.withExamples(examples("default")),
      Command.provide(StoreServices)
    ),
    Command.make("node", { id: nodeIdArgument, own }, (input) => run({ of: "node", id: input.id }, input.own)).pipe(
      Command.withDescription(says("of one node's relays")),
      Command.withExamples(examples("node 5")),
      Command.provide(StoreServices)
    ),
    Command.make(
      "relay",
      { name: relayNameArgument, own },
      (input) => run({ of: "relay", name: input.name }, input.own)
    )
      .pipe(
        Command.withDescription(says("of one relay")),
        Command.withExamples(examples("relay toma")),
        Command.provide(StoreServices)
      )
  ] as const
}

const relayNameArgument = Argument.String("name").pipe(
  Argument.withSchema(RelayName),
  Argument.withDescription("The relay, as `patela list relay` shows it")
)
