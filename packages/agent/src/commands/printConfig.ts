import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Console, Duration, Effect, Schema } from "effect"
import { serverLayer } from "../NodeLayer.ts"
import { printableJson } from "../present/printable.ts"
import { Session } from "../session/Session.ts"
import type { ServerOptions } from "./AgentFlags.ts"

const encode = Schema.encodeEffect(NodeConfig)

/** What `patela-agent config` does; a module of its own, loaded only by that command. */
export const printConfig = Effect.fn("printConfig")(
  function*({ json }: ServerOptions & { readonly json: boolean }) {
    const config = yield* (yield* Session).config({ total: Duration.zero })
    const document = yield* encode(config)
    yield* Console.log(printableJson(JSON.stringify(document, null, json ? 0 : 2)))
  },
  (work, options) => Effect.provide(work, serverLayer(options))
)
