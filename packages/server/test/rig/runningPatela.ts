import { Effect, Schema } from "effect"
import { patela, runServer } from "./commandLine.ts"
import { httpsAsk } from "./httpsAsk.ts"
import { selfSigned } from "./selfSigned.ts"
import { softwareTpm } from "./SoftwareTpm.ts"
import { temporaryDirectory } from "./temporaryDirectory.ts"

const Sealed = Schema.fromJsonString(Schema.Struct({
  challenge: Schema.String,
  blob: Schema.String,
  secret: Schema.String,
  token: Schema.String,
  expires_at: Schema.Int
}))

/** `patela run` in a process of its own, set up as an operator would, with what another process needs to talk to it. */
export const runningPatela = Effect.gen(function*() {
  const folder = yield* temporaryDirectory
  const { cert, key, pem } = yield* selfSigned(folder)
  const variables = {
    HOME: folder,
    DATABASE_URL: `sqlite:${folder}/patela.db`,
    PATELA_BISCUIT_KEY: `file:${folder}/token.key`,
    PATELA_FIRST_V4: "192.0.2.10",
    PATELA_PREFIX_V4: "24"
  }
  const cli = (args: ReadonlyArray<string>, stdin?: string) => patela(variables, args, stdin)
  yield* cli(["keygen", "--out", `${folder}/token.key`])
  yield* cli(["torrc", "import", "-", "default"], "ContactInfo me@example.org\n")
  yield* cli(["network", "set", "--gateway-v4", "192.0.2.1", "--dns", "192.0.2.53"])
  const start = (port?: number) => runServer(variables, ["--cert", cert, "--key", key], port)
  const server = yield* start()
  const ask = (path: string, body?: string, token?: string) =>
    httpsAsk({
      port: server.port,
      ca: pem,
      path,
      ...body === undefined ? {} : { body },
      ...token === undefined ? {} : { token }
    })
  /** A machine that was enabled, with a token. */
  const enrolled = Effect.gen(function*() {
    const tpm = softwareTpm()
    const request = JSON.stringify(tpm.request)
    const waiting = yield* ask("/public/auth", request)
    const id = /patela enable (\d+)/.exec(waiting.text)?.[1] ?? ""
    yield* cli(["enable", id])
    const { text } = yield* ask("/public/auth", request)
    return { id, tpm, token: tpm.open(yield* Schema.decodeEffect(Sealed)(text)) }
  })
  return { server, start, cli, ask, enrolled, pem, cert, folder }
})
