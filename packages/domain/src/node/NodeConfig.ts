import { Schema } from "effect"
import { PcrNumbers } from "../attestation/BootEvidence.ts"
import { NodeFamily } from "../family/NodeFamily.ts"
import { AddressRange } from "../net/AddressRange.ts"
import { Ipv4 } from "../net/Ipv4.ts"
import { Ipv6 } from "../net/Ipv6.ts"
import { Fingerprints } from "../relay/Fingerprint.ts"
import { RelayName } from "../relay/RelayName.ts"
import { Slot } from "../relay/Slot.ts"

const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))

/**
 * One relay as the server resolved it. `torrc` is the merge of the global, node and relay layers in torrc syntax,
 * without the lines that Patela manages. `fingerprint` is what the server has on record for the relay, or null where
 * none was reported yet: only then may the node make new identity keys. `formerly` are the names that the relay had before,
 * the newest first: its keys may be kept under one of them, and what else the node has of such a name may go.
 */
export const ResolvedRelay = Schema.Struct({
  name: RelayName,
  slot: Slot,
  ip_v4: Ipv4,
  ip_v6: Schema.NullOr(Ipv6),
  or_port: Port,
  dir_port: Schema.NullOr(Port),
  torrc: Schema.String,
  fingerprint: Schema.NullOr(Fingerprints),
  formerly: Schema.optionalKey(Schema.Array(RelayName))
})
export type ResolvedRelay = typeof ResolvedRelay.Type

/**
 * The relay network of a node. Prefixes are lengths in bits, of the networks that the gateways are in. `pools` are the
 * ranges that the server gives addresses from, each with the prefix of its own network; an address on the relay interface
 * is Patela's to remove only inside them.
 */
export const NodeNetwork = Schema.Struct({
  gateway_v4: Ipv4,
  gateway_v6: Schema.NullOr(Ipv6),
  prefix_v4: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 32 }))),
  prefix_v6: Schema.NullOr(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 128 })))),
  dns: Schema.Array(Schema.Union([Ipv4, Ipv6])),
  pools: Schema.Array(AddressRange)
})
export type NodeNetwork = typeof NodeNetwork.Type

const Hex = Schema.String.pipe(Schema.check(Schema.isPattern(/^(?:[0-9a-f]{2}){1,1024}$/)))

/**
 * Which images may open the node's key store: the operator's public key (TPM2B_PUBLIC) and the policies over PCRs that it
 * signed (digest and TPMT_SIGNATURE), all as hex; the PCRs are 12 to 14 where none are named. No secret: what a TPM is
 * bound to is the key.
 */
export const ImagePolicyText = Schema.Struct({
  key: Hex,
  approved: Schema.Array(Schema.Struct({ policy: Hex, signature: Hex, pcrs: Schema.optionalKey(PcrNumbers) }))
})
export type ImagePolicyText = typeof ImagePolicyText.Type

/**
 * What holds for the whole node. `generation` counts the changes of the configuration on the server, so that an older one
 * is known as such. `removed` are relays that a person took off this node: the explicit word that they, and their keys in
 * the TPM, may go. Without `image_policy` the key store is bound to no image, without `family` relays declare none.
 * `test_network` lets torrc lines through that only a private Tor network needs.
 */
export const ResolvedNode = Schema.Struct({
  generation: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))),
  removed: Schema.Array(RelayName),
  network: NodeNetwork,
  geoip: Schema.Boolean,
  test_network: Schema.Boolean,
  image_policy: Schema.optionalKey(ImagePolicyText),
  family: Schema.optionalKey(NodeFamily)
})
export type ResolvedNode = typeof ResolvedNode.Type

/** The resolved config: everything that the server says about a node. */
export const NodeConfig = Schema.Struct({ relays: Schema.Array(ResolvedRelay), ...ResolvedNode.fields })
export type NodeConfig = typeof NodeConfig.Type
