import { ListenAddress } from "@patela/domain/net/ListenAddress"
import { Config, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { nodeFlags } from "./AgentFlags.ts"
import { requireRoot } from "./requireRoot.ts"

const Seconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })))

const waitFlag = Flag.Int("wait").pipe(
  Flag.withDescription("Seconds to ask again while the server is away or the node not enabled (900); 0 asks once"),
  Flag.withSchema(Seconds),
  Flag.withDefault(900),
  Flag.withMetavar("SECONDS")
)

const watchFlag = Flag.Boolean("watch").pipe(
  Flag.withDescription("Stay, and put right what changes"),
  Flag.withDefault(false)
)

const retryFlag = Flag.Boolean("retry-rolled-back").pipe(
  Flag.withDescription("Try a configuration again that cut this node off from its server and was taken back"),
  Flag.withDefault(false)
)

const metricsFlag = Flag.String("metrics").pipe(
  Flag.withDescription("With --watch: serve Prometheus metrics at http://HOST:PORT/metrics (or PATELA_METRICS)"),
  Flag.withFallbackConfig(Config.String("PATELA_METRICS")),
  Flag.withSchema(ListenAddress),
  Flag.withMetavar("HOST:PORT"),
  Flag.optional
)

/** `patela-agent reconcile`: once, as the unit at boot runs it, or for good with `--watch`. */
export const Reconcile = Command.make(
  "reconcile",
  { ...nodeFlags, wait: waitFlag, watch: watchFlag, retryRolledBack: retryFlag, metrics: metricsFlag },
  Effect.fn("reconcile")(function*(options) {
    yield* requireRoot("reconcile changes accounts, addresses, firewall and units")
    const { runReconcile } = yield* Effect.promise(() => import("./runReconcile.ts"))
    yield* runReconcile(options)
  })
).pipe(
  Command.withDescription("Bring this host to what the server says it should run"),
  Command.withExamples([
    { command: "patela-agent reconcile --server https://192.0.2.1:8020 --ca-cert /etc/patela/ca.pem" },
    { command: "patela-agent reconcile --watch", description: "with PATELA_SERVER and PATELA_CA_CERT set" },
    { command: "patela-agent reconcile --watch --metrics 127.0.0.1:9820", description: "with metrics for Prometheus" },
    { command: "patela-agent reconcile --wait 0", description: "give up at once when the server does not answer" }
  ])
)
