import { ListenAddress } from "@patela/domain/net/ListenAddress"
import { Config, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Pools } from "../allocate/Pools.ts"
import { PoolSettings } from "../allocate/PoolSettings.ts"
import { AuthLimits } from "../limits/AuthLimits.ts"
import { Connections } from "../limits/Connections.ts"
import { WaitingBound } from "../nodes/WaitingBound.ts"
import { TokenKey } from "../session/TokenKey.ts"
import { missingSettings } from "../settings/missingSettings.ts"
import { EndorsementRoots } from "../trust/EndorsementRoots.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { StoreServices } from "./StoreServices.ts"

const checkSettings = Effect.gen(function*() {
  const missing = yield* missingSettings(yield* (yield* Pools).all)
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
    key: Flag.String("key").pipe(Flag.withDescription("Its private key, PEM (PATELA_SERVER_KEY)"), Flag.optional),
    metrics: Flag.String("metrics").pipe(
      Flag.withDescription(
        "Serve /metrics (Prometheus) and /healthz there, over plain HTTP and to anybody (PATELA_METRICS); nowhere without"
      ),
      Flag.withFallbackConfig(Config.String("PATELA_METRICS")),
      Flag.withSchema(ListenAddress),
      Flag.withMetavar("HOST:PORT"),
      Flag.optional
    )
  },
  Effect.fn("run")(function*({ host, port, cert, key, metrics }) {
    if (port < 0 || port > 65_535) {
      return yield* new CommandFailed({ message: "--port is a number from 1 to 65535; 0 takes any free port" })
    }
    yield* checkSettings
    const certPath = yield* fileSetting(cert, "--cert", "PATELA_SERVER_CERT")
    const keyPath = yield* fileSetting(key, "--key", "PATELA_SERVER_KEY")
    // Loaded only here: the HTTP server takes as long to load as all the other commands take to run.
    const { serve } = yield* Effect.promise(() => import("../http/serve.ts"))
    return yield* serve({ host, port, certPath, keyPath, metrics: Option.getOrUndefined(metrics) }).pipe(
      // Nobody collects the spans; making them for each call and statement costs a tenth of a request.
      Effect.withTracerEnabled(false)
    )
  })
).pipe(
  Command.withDescription(
    "Serve the nodes over HTTPS. Environment: DATABASE_URL, PATELA_BISCUIT_KEY, and " +
      "where wanted PATELA_DATABASE_PASSWORD, PATELA_FIRST_V4, PATELA_PREFIX_V4, PATELA_FIRST_V6, PATELA_PREFIX_V6, PATELA_BISCUIT_OLD_KEYS, PATELA_EK_ROOTS, PATELA_RELAY_MEMORY_BOUND (bytes), PATELA_WAITING_LIST, PATELA_WAITING_DAYS, PATELA_NEW_PER_SOURCE, PATELA_NEW_IN_ALL, " +
      "PATELA_AUTH_PER_NODE, PATELA_CONNECTIONS, PATELA_CONNECTIONS_PER_SOURCE, PATELA_STREAMS_PER_NODE, PATELA_METRICS"
  ),
  Command.withShortDescription("Serve the nodes over HTTPS"),
  Command.withExamples([
    { command: "patela run --host 0.0.0.0 --port 8020 --cert cert.pem --key key.pem", description: "Serve" },
    { command: "patela run --metrics 127.0.0.1:9821", description: "Files from the environment, with metrics" }
  ]),
  Command.provide(
    Layer.mergeAll(
      AuthLimits.layer,
      Connections.layer,
      EndorsementRoots.layer,
      PoolSettings.layer,
      TokenKey.layer,
      WaitingBound.layer
    ).pipe(
      Layer.provideMerge(StoreServices)
    )
  )
)
