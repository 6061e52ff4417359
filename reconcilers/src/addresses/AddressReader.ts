import { ipv6FromBigInt, ipv6ToBigInt } from "@patela/domain/net/Ipv6"
import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { decodedOnce } from "../host/decodedOnce.ts"
import { HostCommand } from "../host/HostCommand.ts"

/** An address on a link. `failed`: duplicate address detection found it in use elsewhere, so nothing can use it here. */
export interface HostAddress {
  readonly address: string
  readonly prefix: number
  readonly linkLocal: boolean
  readonly failed: boolean
}

export interface HostLink {
  readonly name: string
  readonly up: boolean
  readonly addresses: ReadonlyArray<HostAddress>
}

const Prefix = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 128 })))

/** `ip -j address show` of iproute2 6.1, as far as it is managed. Other fields, as `secondary`, are left alone. */
const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({
  ifname: Schema.NonEmptyString,
  flags: Schema.Array(Schema.String),
  addr_info: Schema.Array(Schema.Struct({
    family: Schema.String,
    local: Schema.optionalKey(Schema.NonEmptyString),
    prefixlen: Prefix,
    scope: Schema.String,
    dadfailed: Schema.optionalKey(Schema.Boolean)
  }))
})))

/** The links that `ip -j address show` wrote. Pure. */
export const readLinks = Effect.fn("readLinks")(function*(json: string) {
  const links = yield* Schema.decodeUnknownEffect(Links)(json).pipe(
    Effect.mapError((error) => unreadable(`ip -j address show wrote something unexpected: ${error.message}`))
  )
  return links.map(({ addr_info, flags, ifname }): HostLink => ({
    name: ifname,
    up: flags.includes("UP"),
    addresses: addr_info.flatMap(({ dadfailed, local, prefixlen, scope }) =>
      local === undefined
        ? []
        : [{ address: canonical(local), prefix: prefixlen, linkLocal: scope === "link", failed: dadfailed === true }]
    )
  }))
})

const canonical = (address: string): string => {
  const value = ipv6ToBigInt(address)
  return value === undefined ? address : ipv6FromBigInt(value)
}

const unreadable = (message: string) => new ObservationFailed({ kind: "addresses", message })

/** Reads every link and address of the host at once; changes nothing. */
export class AddressReader extends Context.Service<AddressReader, {
  readonly links: Effect.Effect<ReadonlyArray<HostLink>, ObservationFailed>
}>()("@patela/reconcilers/addresses/AddressReader") {
  static readonly layer: Layer.Layer<AddressReader, never, HostCommand> = Layer.effect(
    AddressReader,
    Effect.gen(function*() {
      const host = yield* HostCommand
      const decoded = decodedOnce(readLinks)
      const run = host.run("ip", ["-j", "address", "show"])
      const links = host.ask(["ip", "-j", "-batch", "-"], ["address show"]).pipe(
        Effect.flatMap(Option.match({ onNone: () => run, onSome: ([answer = ""]) => Effect.succeed(answer) })),
        Effect.mapError(({ message }) => unreadable(message)),
        Effect.flatMap(decoded),
        Effect.withSpan("AddressReader.links")
      )
      return AddressReader.of({ links })
    })
  )
}
