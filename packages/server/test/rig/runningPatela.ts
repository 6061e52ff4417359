import { NodeId } from "@patela/domain/node/NodeId"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { writeFileSync } from "node:fs"
import { BootPolicy } from "../../src/boot/BootPolicy.ts"
import { StoreServicesNoDatabase } from "../../src/commands/StoreServices.ts"
import { Administration } from "../../src/nodes/Administration.ts"
import { newTokenKey } from "../../src/session/TokenKey.ts"
import { NetworkAdministration } from "../../src/settings/NetworkAdministration.ts"
import { layerOf } from "../../src/store/Store.ts"
import { TorrcLayers } from "../../src/torrc/TorrcLayers.ts"
import { patela, type Program, runServer, type Variables } from "./commandLine.ts"
import { network } from "./Fleet.ts"
import { httpsAsk } from "./httpsAsk.ts"
import { SealedText } from "./SealedAnswer.ts"
import { selfSigned } from "./selfSigned.ts"
import { softwareTpm } from "./SoftwareTpm.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"
import { testDatabase } from "./testDatabase.ts"

/**
 * `patela run` in a process of its own, at a port, any free one unless told. `cli` runs a command beside it; `administration` is what the commands are made of,
 * in this process, for tests that have no second to spare for each.
 */
export const runningPatelaWith = Effect.fnUntraced(function*(settings: Variables, program?: Program, at?: number) {
  const folder = yield* temporaryDirectory
  const { cert, key, pem } = yield* selfSigned(folder)
  const { url, database } = yield* testDatabase(folder)
  const variables = {
    HOME: folder,
    DATABASE_URL: url,
    PATELA_BISCUIT_KEY: `file:${folder}/token.key`,
    PATELA_FIRST_V4: "192.0.2.10",
    PATELA_PREFIX_V4: "24",
    ...settings
  }
  writeFileSync(`${folder}/token.key`, Redacted.value(yield* newTokenKey), { mode: 0o600 })
  const services = yield* Layer.build(Layer.provideMerge(StoreServicesNoDatabase, layerOf(database)))
  const administration = Context.get(services, Administration)
  const bootPolicy = Context.get(services, BootPolicy)
  yield* Context.get(services, TorrcLayers).import("test", { of: "default" }, "ContactInfo me@example.org\n")
  yield* Context.get(services, NetworkAdministration).set("test", network)

  const cli = (args: ReadonlyArray<string>, stdin?: string) => patela(variables, args, stdin)
  const start = (port?: number, more: Variables = {}) =>
    runServer({ ...variables, ...more }, ["--cert", cert, "--key", key], port, program)
  const server = yield* start(at)
  const askAt = (port: number, path: string, body?: string, token?: string) =>
    httpsAsk({
      port,
      ca: pem,
      path,
      ...body === undefined ? {} : { body },
      ...token === undefined ? {} : { token }
    })
  const ask = (path: string, body?: string, token?: string) => askAt(server.port, path, body, token)
  /** A machine that was enabled, with a token of the server at this port. */
  const enrolledAt = Effect.fnUntraced(function*(port: number) {
    const tpm = softwareTpm()
    const request = JSON.stringify(tpm.request)
    const waiting = yield* askAt(port, "/public/auth", request)
    const id = NodeId.make(Number(/patela enable (\d+)/.exec(waiting.text)?.[1]))
    yield* administration.setEnabled("test", id, true)
    const { text } = yield* askAt(port, "/public/auth", request)
    return { id, tpm, token: tpm.open(yield* Schema.decodeEffect(SealedText)(text)) }
  })
  const enrolled = Effect.suspend(() => enrolledAt(server.port))
  return { server, start, cli, administration, bootPolicy, ask, enrolled, enrolledAt, pem, cert, folder, services, url }
})

/** The same with the settings that there are. */
export const runningPatela = runningPatelaWith({})
