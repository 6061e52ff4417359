import type { ResolvedRelay } from "@patela/domain/node/NodeConfig"
import { Effect } from "effect"
import { TorControl } from "./TorControl.ts"

/**
 * Whether a relay is ready to be of use, beyond systemd's word that its process runs: bootstrapped, reachable from
 * outside, with the identity and the address that it should have. `missing` says what is not so, in words.
 */
export interface RelayReadiness {
  readonly ready: boolean
  /** Percent, 0 where tor did not answer. */
  readonly bootstrapped: number
  readonly missing: ReadonlyArray<string>
}

/** `status/...` keys of control-spec, section 3.9. `address` is what tor takes for its own; it fails while tor knows none. */
const KEYS = ["status/bootstrap-phase", "status/reachability-succeeded/or", "fingerprint"]

/** What a relay should say of itself. */
export type Expected = Pick<ResolvedRelay, "name" | "ip_v4" | "fingerprint">

/** Asks one relay. */
export const readinessOf = Effect.fn("readinessOf")(function*(expected: Expected) {
  const tor = yield* TorControl
  return yield* tor.info(expected.name, KEYS).pipe(
    Effect.flatMap((info) =>
      tor.info(expected.name, ["address"]).pipe(
        Effect.map((more) => more.get("address")),
        Effect.orElseSucceed(() => undefined),
        Effect.map((address) => judged(expected, info, address))
      )
    ),
    Effect.catch(({ message }) =>
      Effect.succeed<RelayReadiness>({ ready: false, bootstrapped: 0, missing: [`tor was not asked: ${message}`] })
    )
  )
})

/** Pure. */
export const judged = (
  { fingerprint, ip_v4 }: Expected,
  info: ReadonlyMap<string, string>,
  address: string | undefined
): RelayReadiness => {
  const bootstrapped = Number(/\bPROGRESS=(\d{1,3})\b/.exec(info.get("status/bootstrap-phase") ?? "")?.[1] ?? 0)
  const own = info.get("fingerprint")
  const missing = [
    ...(bootstrapped === 100 ? [] : [`bootstrapped to ${bootstrapped} %`]),
    ...(info.get("status/reachability-succeeded/or") === "1" ? [] : ["its ORPort is not known to be reachable yet"]),
    ...(fingerprint === null || own === fingerprint.rsa
      ? []
      : [`its fingerprint is ${own ?? "unknown"} and not ${fingerprint.rsa}`]),
    ...(address === ip_v4 ? [] : [`it takes ${address ?? "nothing"} for its address and not ${ip_v4}`])
  ]
  return { ready: missing.length === 0, bootstrapped, missing }
}
