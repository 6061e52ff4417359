import { Config, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Pools } from "../allocate/Pools.ts"
import { AuthLimits } from "../limits/AuthLimits.ts"
import { WaitingBound } from "../nodes/WaitingBound.ts"
import { TokenKey } from "../session/TokenKey.ts"
import { Settings } from "../settings/Settings.ts"
import { unfitNetwork } from "../settings/unfitNetwork.ts"
import { EndorsementRoots } from "../trust/EndorsementRoots.ts"
import { TrustPolicy } from "../trust/TrustPolicy.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { StoreServices } from "./StoreServices.ts"

/** A server without these would hand every node an error, so it does not start. */
const checkSettings = Effect.gen(function*() {
  const settings = yield* Settings
  const { v4, v6 } = yield* Pools
  const missing: Array<string> = []
  if (Option.isNone(yield* settings.torrc)) {
    missing.push("There is no default torrc. Import one: patela torrc import FILE default")
  }
  const lowest = yield* (yield* TrustPolicy).lowest
  if (lowest === "certified" && (yield* EndorsementRoots).count === 0) {
    missing.push(
      "The lowest tier is certified, and no vendor's root is known. Set PATELA_EK_ROOTS to a folder of root " +
        "certificates, or accept less: patela policy tier allow-listed"
    )
  }
  const network = yield* settings.network
  if (Option.isNone(network)) {
    missing.push("The relay network is not set. Set it: patela network set --gateway-v4 ADDRESS --dns ADDRESS,...")
  } else missing.push(...unfitNetwork(network.value, { v4, v6 }))
  if (missing.length > 0) return yield* new CommandFailed({ message: missing.join("\n") })
})

const fileSetting = Effect.fnUntraced(function*(flag: Option.Option<string>, flagName: string, variable: string) {
  const setting = Option.isSome(flag) ? flag : yield* Effect.orDie(Config.option(Config.String(variable)))
  if (Option.isSome(setting) && setting.value !== "") return setting.value
  return yield* new CommandFailed({
    message: `The server needs a certificate and its key, PEM files. Give ${flagName} FILE or set ${variable}`
  })
})

export const run = Command.make(
  "run",
  {
    host: Flag.String("host").pipe(
      Flag.withDescription("Address to listen on; :: is every address of both families"),
      Flag.withDefault("0.0.0.0")
    ),
    port: Flag.Int("port").pipe(Flag.withDescription("TCP port to listen on"), Flag.withDefault(8020)),
    cert: Flag.String("cert").pipe(
      Flag.withDescription("Certificate chain, PEM (PATELA_SERVER_CERT)"),
      Flag.optional
    ),
    key: Flag.String("key").pipe(Flag.withDescription("Its private key, PEM (PATELA_SERVER_KEY)"), Flag.optional)
  },
  Effect.fn("run")(function*({ host, port, cert, key }) {
    if (port < 0 || port > 65_535) {
      return yield* new CommandFailed({ message: "--port is a number from 1 to 65535; 0 takes any free port" })
    }
    yield* checkSettings
    const certPath = yield* fileSetting(cert, "--cert", "PATELA_SERVER_CERT")
    const keyPath = yield* fileSetting(key, "--key", "PATELA_SERVER_KEY")
    // Loaded only here: the HTTP server takes as long to load as all the other commands take to run.
    const { serve } = yield* Effect.promise(() => import("../http/serve.ts"))
    return yield* serve({ host, port, certPath, keyPath })
  })
).pipe(
  Command.withDescription(
    "Serve the nodes over HTTPS. Environment: DATABASE_URL, PATELA_BISCUIT_KEY, PATELA_FIRST_V4, PATELA_PREFIX_V4, and " +
      "where wanted PATELA_DATABASE_PASSWORD, PATELA_FIRST_V6, PATELA_PREFIX_V6, PATELA_BISCUIT_OLD_KEYS, PATELA_EK_ROOTS, PATELA_RELAY_MEMORY_BOUND (bytes), PATELA_WAITING_LIST, PATELA_WAITING_DAYS, PATELA_NEW_PER_SOURCE, PATELA_NEW_IN_ALL, " +
      "PATELA_AUTH_PER_NODE"
  ),
  Command.withShortDescription("Serve the nodes over HTTPS"),
  Command.withExamples([
    { command: "patela run --host 0.0.0.0 --port 8020 --cert cert.pem --key key.pem", description: "Serve" }
  ]),
  Command.provide(
    Layer.mergeAll(AuthLimits.layer, EndorsementRoots.layer, Pools.layer, TokenKey.layer, WaitingBound.layer).pipe(
      Layer.provideMerge(StoreServices)
    )
  )
)
