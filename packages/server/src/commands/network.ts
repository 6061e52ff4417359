import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Ipv6 } from "@patela/domain/net/Ipv6"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { NetworkAdministration } from "../settings/NetworkAdministration.ts"
import { Settings } from "../settings/Settings.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

const MOST_SERVERS = 3

/** Name servers as written: addresses with commas, at most three, for a resolver reads no more (resolv.conf(5)). */
const nameServers = Effect.fnUntraced(function*(text: string) {
  const written = text.split(",").map((part) => part.trim())
  if (written.length > MOST_SERVERS) {
    return yield* new CommandFailed({ message: `--dns takes at most ${MOST_SERVERS} addresses` })
  }
  return yield* Effect.forEach(written, (address) =>
    Schema.decodeEffect(Schema.Union([Ipv4, Ipv6]))(address).pipe(
      Effect.mapError(() =>
        new CommandFailed({ message: `--dns takes addresses with commas between; ${JSON.stringify(address)} is none` })
      )
    ))
})

const set = Command.make(
  "set",
  {
    gatewayV4: Flag.String("gateway-v4").pipe(
      Flag.withDescription("IPv4 address of the router of the relay network"),
      Flag.withSchema(Ipv4)
    ),
    gatewayV6: Flag.String("gateway-v6").pipe(
      Flag.withDescription("IPv6 address of that router; without it relays get no IPv6 route"),
      Flag.withSchema(Ipv6),
      Flag.optional
    ),
    dns: Flag.String("dns").pipe(Flag.withDescription("Name servers for the nodes, with commas between")),
    geoip: Flag.Boolean("geoip").pipe(
      Flag.withDescription("Load tor's GeoIP files: statistics by country, about 35 MB of memory a relay"),
      Flag.withDefault(false)
    ),
    testNetwork: Flag.Boolean("test-network").pipe(
      Flag.withDescription("Allow torrc options that only a private Tor network needs, such as DirAuthority"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("network.set")(function*({ gatewayV4, gatewayV6, dns, geoip, testNetwork }) {
    const network = {
      gateway_v4: gatewayV4,
      gateway_v6: Option.getOrNull(gatewayV6),
      dns: yield* nameServers(dns),
      geoip,
      test_network: testNetwork
    }
    yield* (yield* NetworkAdministration).set(yield* administrator, network)
    yield* Console.log("The network is set.")
  })
).pipe(
  Command.withDescription("Set the network that relays are in, as a whole"),
  Command.withExamples([
    {
      command: "patela network set --gateway-v4 192.0.2.1 --gateway-v6 2001:db8::1 --dns 192.0.2.53,2001:db8::53",
      description: "Both families"
    }
  ]),
  Command.provide(StoreServices)
)

const get = Command.make(
  "get",
  { json: jsonFlag },
  Effect.fn("network.get")(function*({ json }) {
    const network = yield* (yield* Settings).network
    if (Option.isNone(network)) {
      return yield* new CommandFailed({ message: "The network is not set. Set it with: patela network set --help" })
    }
    if (json) return yield* printJson(network.value)
    const { gateway_v4, gateway_v6, dns, geoip, test_network } = network.value
    yield* Console.log([
      `gateway-v4 ${gateway_v4}`,
      `gateway-v6 ${gateway_v6 ?? "-"}`,
      `dns ${dns.join(",")}`,
      `geoip ${geoip ? "on" : "off"}`,
      `test-network ${test_network ? "on" : "off"}`
    ].join("\n"))
  })
).pipe(
  Command.withDescription("Print the network that relays are in"),
  Command.withExamples([{ command: "patela network get --json", description: "For a program" }]),
  Command.provide(StoreServices)
)

export const network = Command.make("network").pipe(
  Command.withDescription("The network that relays are in: router, name servers"),
  Command.withSubcommands([set, get])
)
