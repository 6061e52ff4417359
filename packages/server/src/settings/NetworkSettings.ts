import { Ipv4 } from "@patela/domain/net/Ipv4"
import { Ipv6 } from "@patela/domain/net/Ipv6"
import { Schema } from "effect"

/**
 * The relay network of the fleet, as the operator set it. `geoip`: load tor's GeoIP files, about 35 MB a relay.
 * `test_network`: allow what only a private Tor network needs.
 */
export const NetworkSettings = Schema.Struct({
  gateway_v4: Ipv4,
  gateway_v6: Schema.NullOr(Ipv6),
  dns: Schema.Array(Schema.Union([Ipv4, Ipv6])),
  geoip: Schema.Boolean,
  test_network: Schema.Boolean
})
export type NetworkSettings = typeof NetworkSettings.Type
