import { Config, Effect, Option, Schema } from "effect"
import { ServerUrl } from "./AgentFlags.ts"

/** It is not clear where the configuration should come from. */
export class SourceUnclear extends Schema.TaggedError<SourceUnclear>()("SourceUnclear", { message: Schema.String }) {}

/** Where a command takes the configuration from. */
export type ConfigSource =
  | { readonly from: "server"; readonly server: URL }
  | { readonly from: "file"; readonly path: string }

const decodeUrl = Schema.decodeUnknownEffect(ServerUrl)

/** The one source that the flags name. PATELA_SERVER is what a host has set for good, so a file goes before it. */
export const configSourceOf = Effect.fn("configSourceOf")(function*(
  { config, server }: { readonly config: string | undefined; readonly server: URL | undefined }
): Effect.fn.Return<ConfigSource, SourceUnclear> {
  if (config !== undefined && server !== undefined) {
    return yield* new SourceUnclear({
      message: "the configuration comes from a server or from a file: say either --server or --config"
    })
  }
  if (config !== undefined) return { from: "file", path: config }
  if (server !== undefined) return { from: "server", server }
  const variable = yield* Config.option(Config.String("PATELA_SERVER")).pipe(
    Effect.orElseSucceed(() => Option.none<string>())
  )
  if (Option.isNone(variable)) {
    return yield* new SourceUnclear({
      message: "no configuration to compare with: say --server https://HOST:PORT (or set PATELA_SERVER) for the " +
        "server's, or --config FILE for a file's"
    })
  }
  const url = yield* decodeUrl(variable.value).pipe(
    Effect.mapError(() =>
      new SourceUnclear({
        message: "PATELA_SERVER is no address of a server: set it to one such as https://patela.example.org:8020"
      })
    )
  )
  return { from: "server", server: url }
})
