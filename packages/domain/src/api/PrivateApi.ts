import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { BootEvidence } from "../attestation/BootEvidence.ts"
import { HardwareSpecs } from "../node/HardwareSpecs.ts"
import { ResolvedNode, ResolvedRelay } from "../node/NodeConfig.ts"
import { Fingerprints } from "../relay/Fingerprint.ts"
import { RelayName } from "../relay/RelayName.ts"
import { Authorization } from "./Authorization.ts"
import { EVENT_STREAM } from "./ConfigEvent.ts"
import { FamilyKeysRequest, SealedFamilyKeys } from "./FamilyKeys.ts"
import { AllocationFailed, EvidenceRefused, FamilyUnknown, SpecsMissing } from "./Problems.ts"
import { storedText } from "./storedText.ts"

/** Answer to the specs: how many relays the node has from now on. */
export const Allocated = Schema.Struct({ relays: Schema.Int })

/** What a node says of one relay. `blocked` is null where the relay runs as configured. */
export const RelayReport = Schema.Struct({
  name: RelayName,
  fingerprint: Schema.NullOr(Fingerprints),
  blocked: Schema.NullOr(storedText(2000))
})
export type RelayReport = typeof RelayReport.Type

/**
 * What a node says after a pass. `generation` is that of the configuration that the node was brought to, null before the
 * first; `rolled_back` says why a configuration was taken back and is not tried again.
 */
export const NodeReport = Schema.Struct({
  generation: Schema.NullOr(Schema.Int),
  rolled_back: Schema.NullOr(storedText(2000)),
  relays: Schema.Array(RelayReport).pipe(Schema.check(Schema.isMaxLength(512))),
  tor_version: Schema.NullOr(storedText(100))
})
export type NodeReport = typeof NodeReport.Type

/** RFC 9110, section 13.1.2: what the node has already; where it has the newest, the answer is 304 and has no body. */
const conditional = { "if-none-match": Schema.optionalKey(Schema.String) }

/** RFC 9110, section 8.8.3: a strong entity tag, quoted. Another body has another. */
const tagged = { etag: Schema.String }

const NotModified = HttpApiSchema.WithHeaders(HttpApiSchema.Empty(304), tagged)

export class PrivateApi extends HttpApiGroup.make("private")
  .add(
    HttpApiEndpoint.post("specs", "/specs", { payload: HardwareSpecs, success: Allocated, error: AllocationFailed }),
    HttpApiEndpoint.get("relays", "/config/node", {
      headers: conditional,
      success: [HttpApiSchema.WithHeaders(Schema.Array(ResolvedRelay), tagged), NotModified],
      error: SpecsMissing
    }),
    HttpApiEndpoint.get("node", "/config/resolved/node", {
      headers: conditional,
      success: [HttpApiSchema.WithHeaders(ResolvedNode, tagged), NotModified],
      error: AllocationFailed
    }),
    // Not StreamSse, which has no way to say a heartbeat, nor to hear one.
    HttpApiEndpoint.get("events", "/events", {
      success: HttpApiSchema.StreamUint8Array({ contentType: EVENT_STREAM })
    }),
    // Only those that the node has not: none where nothing changed.
    HttpApiEndpoint.post("familyKeys", "/family-keys", {
      payload: FamilyKeysRequest,
      success: SealedFamilyKeys,
      error: FamilyUnknown
    }),
    // What the node booted, for the session of the token alone.
    HttpApiEndpoint.post("evidence", "/evidence", {
      payload: BootEvidence,
      success: HttpApiSchema.NoContent,
      error: EvidenceRefused
    }),
    HttpApiEndpoint.post("report", "/report", { payload: NodeReport, success: HttpApiSchema.NoContent })
  )
  .middleware(Authorization)
  .prefix("/private")
{}
