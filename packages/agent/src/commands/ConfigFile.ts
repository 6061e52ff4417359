import { NodeConfig } from "@patela/domain/node/NodeConfig"
import { Effect, FileSystem, Schema, SchemaIssue, Stdio, Stream } from "effect"
import { printable } from "../present/printable.ts"

/** A configuration in a file cannot be used. `message` says where and why, quotes nothing of it, and how to get one. */
export class ConfigFileUnusable extends Schema.TaggedError<ConfigFileUnusable>()("ConfigFileUnusable", {
  message: Schema.String
}) {}

const HOW = "`patela-agent config > node.json` writes one to start from"

/** The most problems of one file that are said. */
const MOST_PROBLEMS = 8

/** Reads a configuration from a file, or from standard input where the path is `-`. */
export const readConfigFile = Effect.fn("readConfigFile")(function*(path: string) {
  const name = path === "-" ? "standard input" : printable(path)
  return yield* decodeConfig(name, yield* textOf(path, name))
})

const textOf = Effect.fnUntraced(function*(path: string, name: string) {
  const files = yield* FileSystem.FileSystem
  const { stdin } = yield* Stdio.Stdio
  return yield* (path === "-" ? Stream.mkString(Stream.decodeText(stdin)) : files.readFileString(path)).pipe(
    Effect.mapError(({ reason }) => {
      const why = REASONS[reason._tag] ?? reason._tag
      return new ConfigFileUnusable({ message: `the configuration cannot be read from ${name}: ${why}; ${HOW}` })
    })
  )
})

const REASONS: Readonly<Record<string, string>> = {
  NotFound: "there is no such file",
  PermissionDenied: "it may not be read by this user",
  BadResource: "it is no plain file"
}

const decode = Schema.decodeUnknownEffect(NodeConfig)
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** The configuration that a text says. Of what is wrong the place and the rule are said, for values may be secrets. */
const decodeConfig = Effect.fnUntraced(function*(name: string, text: string) {
  const json = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (cause) => new ConfigFileUnusable({ message: `${name} is not JSON${placeOf(cause, text)}; ${HOW}` })
  })
  return yield* decode(json, { errors: "all" }).pipe(
    Effect.mapError(({ issue }) => {
      const problems = issuesOf(issue).issues.map(({ message, path = [] }) => `${pathText(path)}: ${message}`)
      const more = problems.length - MOST_PROBLEMS
      return new ConfigFileUnusable({
        message: [
          `${name} is not a node's configuration:`,
          ...problems.slice(0, MOST_PROBLEMS).map((problem) => `  ${problem}`),
          ...(more > 0 ? [`  and ${more} more`] : []),
          HOW
        ].join("\n")
      })
    })
  )
})

/** Where JSON.parse stopped, without the piece of the text that it may quote. */
const placeOf = (cause: unknown, text: string): string => {
  if (text.trim() === "") return ": it is empty"
  const place = /\(line \d+ column \d+\)$/.exec(cause instanceof Error ? cause.message : "")?.[0]
  return place === undefined ? "" : ` ${place}`
}

/** A path into a document as people write it, such as `relays[0].or_port`. */
const pathText = (path: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }>): string => {
  const keys = path.map((part) => typeof part === "object" ? part.key : part)
  const text = keys.map((key) => typeof key === "number" ? `[${key}]` : `.${printable(String(key))}`).join("")
  return text === "" ? "the document" : text.replace(/^\./, "")
}
