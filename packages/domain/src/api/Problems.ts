import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"
import { EndorsementKeyKind } from "../attestation/EndorsementKeyKind.ts"
import { ProofChallenge } from "./Proof.ts"

/**
 * The node is known and waits for a person to enable it. The agent asks again every three seconds. `proof` is there as
 * long as the machine did not prove that it holds its keys: a credential for POST /public/proof.
 */
export class NodeNotEnabled extends HttpApiError.Problem<NodeNotEnabled>()("NodeNotEnabled", {
  type: "urn:patela:problem:node-not-enabled",
  status: 401,
  title: "Node not yet enabled"
}, { proof: Schema.optionalKey(ProofChallenge) }) {}

/** A proof of possession does not hold, is too late, or is not asked for. Nothing was changed. */
export class ProofRefused extends HttpApiError.Problem<ProofRefused>()("ProofRefused", {
  type: "urn:patela:problem:proof-refused",
  status: 403,
  title: "Proof refused"
}) {}

/** The bearer token is missing, expired, forged, of an earlier epoch, or its node was disabled. */
export class TokenRefused extends HttpApiError.Problem<TokenRefused>()("TokenRefused", {
  type: "urn:patela:problem:token-refused",
  status: 401,
  title: "Token refused"
}) {}

/** What the request says of its keys is not so: `detail` names the field and what is wrong with it. */
export class IdentityRefused extends HttpApiError.Problem<IdentityRefused>()("IdentityRefused", {
  type: "urn:patela:problem:identity-refused",
  status: 400,
  title: "Identity refused"
}) {}

/**
 * The machine with this attestation key was enabled with another of its endorsement keys, and goes on with that one: asked
 * again with the key of this kind, it is known. Nothing was stored.
 */
export class OtherEndorsementKey extends HttpApiError.Problem<OtherEndorsementKey>()("OtherEndorsementKey", {
  type: "urn:patela:problem:other-endorsement-key",
  status: 409,
  title: "Known by another endorsement key"
}, { endorsement_key: EndorsementKeyKind }) {}

/** Seconds until asking again may help; the header Retry-After says the same (RFC 9110, section 10.2.3). */
const retryAfter = { retry_after: Schema.Int }

/** The waiting list is full: a person must enable some, or machines leave it, before new ones are taken. */
export class WaitingListFull extends HttpApiError.Problem<WaitingListFull>()("WaitingListFull", {
  type: "urn:patela:problem:waiting-list-full",
  status: 429,
  title: "Waiting list full"
}, retryAfter) {}

/** Asked too often, by this source or by all together. */
export class TooManyRequests extends HttpApiError.Problem<TooManyRequests>()("TooManyRequests", {
  type: "urn:patela:problem:too-many-requests",
  status: 429,
  title: "Too many requests"
}, retryAfter) {}

/** The server cannot give this node its relays, for `detail`: a pool is exhausted, or a setting is missing. */
export class AllocationFailed extends HttpApiError.Problem<AllocationFailed>()("AllocationFailed", {
  type: "urn:patela:problem:allocation-failed",
  status: 409,
  title: "Allocation failed"
}) {}

/** A family key is asked for that this node has no use for: `detail` names it. The node's configuration has changed. */
export class FamilyUnknown extends HttpApiError.Problem<FamilyUnknown>()("FamilyUnknown", {
  type: "urn:patela:problem:family-unknown",
  status: 404,
  title: "Family unknown"
}) {}

/** The node has not said what hardware it has, so it has no relays yet. */
export class SpecsMissing extends HttpApiError.Problem<SpecsMissing>()("SpecsMissing", {
  type: "urn:patela:problem:specs-missing",
  status: 409,
  title: "Specs missing"
}) {}

/** Too little is known of where the node's endorsement key is: `detail` has its hash and what a person may do. */
export class TierTooLow extends HttpApiError.Problem<TierTooLow>()("TierTooLow", {
  type: "urn:patela:problem:tier-too-low",
  status: 403,
  title: "Tier too low"
}) {}

/** What a node sent of its boot proves nothing for its session: `detail` names the field. Nothing was changed. */
export class EvidenceRefused extends HttpApiError.Problem<EvidenceRefused>()("EvidenceRefused", {
  type: "urn:patela:problem:evidence-refused",
  status: 400,
  title: "Evidence refused"
}) {}

/** The node showed what it booted, and that is not allowed: `detail` names the first PCR and what a person may do. */
export class BootNotAllowed extends HttpApiError.Problem<BootNotAllowed>()("BootNotAllowed", {
  type: "urn:patela:problem:boot-not-allowed",
  status: 403,
  title: "Boot not allowed"
}) {}
