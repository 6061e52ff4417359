import { BootNotAllowed, EvidenceRefused, TokenRefused } from "@patela/domain/api/Problems"
import type { BootEvidence, BootSelection } from "@patela/domain/attestation/BootEvidence"
import { bootEvidenceFromWire } from "@patela/tpm/evidence/bootEvidenceWire"
import { verifyBootEvidence } from "@patela/tpm/evidence/verifyBootEvidence"
import { attestationKeyFromHex } from "@patela/tpm/identity/AttestationKey"
import { fromHex } from "@patela/tpm/structures/Hex"
import { Context, Effect, Layer, Option, Result } from "effect"
import type { NodeRow } from "../nodes/NodeRow.ts"
import type { StoreFailed } from "../store/StoreFailed.ts"
import { bootDigestOf, bootOf } from "./Boot.ts"
import { BootPolicy } from "./BootPolicy.ts"
import { isOfSelection, pcrSelectionOf } from "./bootSelection.ts"
import { judgeBoot, refusalOf } from "./judgeBoot.ts"
import { ShownBoots } from "./ShownBoots.ts"

/** Every fault of the evidence as one message that names the field. Pure. */
const verified = (node: NodeRow, challenge: string, wire: BootEvidence, selection: BootSelection) =>
  Result.gen(function*() {
    return yield* verifyBootEvidence({
      attestationKey: yield* attestationKeyFromHex(node.ak_public),
      challenge: yield* fromHex(challenge, "challenge"),
      selection: pcrSelectionOf(selection),
      evidence: yield* bootEvidenceFromWire(wire)
    })
  })

/** What stands between a session and the rest of the API where boots are enforced. */
export class BootGate extends Context.Service<BootGate, {
  /** Takes what a node shows of its boot, for the session of this challenge alone. */
  readonly show: (
    node: NodeRow,
    challenge: string,
    evidence: BootEvidence
  ) => Effect.Effect<void, EvidenceRefused | StoreFailed>
  /** Lets a session through that showed a boot which is allowed, or every one where nothing is enforced. */
  readonly pass: (
    node: NodeRow,
    challenge: string
  ) => Effect.Effect<void, TokenRefused | BootNotAllowed | StoreFailed>
}>()("@patela/server/boot/BootGate") {
  static readonly layer = Layer.effect(
    BootGate,
    Effect.gen(function*() {
      const policy = yield* BootPolicy
      const shown = yield* ShownBoots

      const show = Effect.fn("BootGate.show")(function*(node: NodeRow, challenge: string, evidence: BootEvidence) {
        const selection = yield* policy.selection
        const { pcrValues } = yield* Effect.fromResult(verified(node, challenge, evidence, selection)).pipe(
          Effect.mapError(({ message }) =>
            new EvidenceRefused({ detail: `The evidence of the boot is refused: ${message}` })
          )
        )
        const kept = yield* shown.keep({
          node: node.id,
          challenge,
          boot: bootOf(selection.bank, pcrValues),
          eventLog: evidence.event_log?.toLowerCase()
        })
        if (kept) return
        return yield* new EvidenceRefused({
          detail: "This session showed another boot before: a session is of one boot, so authenticate again"
        })
      })

      const pass = Effect.fn("BootGate.pass")(function*(node: NodeRow, challenge: string) {
        if ((yield* policy.enforcement) !== "on") return
        const boot = Option.getOrUndefined(yield* shown.ofSession(challenge))
        if (boot === undefined || !isOfSelection(boot, yield* policy.selection)) {
          // Not a 403: a node that authenticates again is asked, and shows it. So is one that showed other PCRs than are selected now.
          return yield* new TokenRefused({
            detail: "this session has not shown what its node booted, which this server asks for; authenticate again"
          })
        }
        if (yield* policy.allows(bootDigestOf(boot))) return
        // All of them are read to name the PCR, and for nothing else.
        const verdict = judgeBoot(node.id, boot, yield* policy.allowed)
        if (verdict.allowed) return
        return yield* new BootNotAllowed({ detail: refusalOf(node.id, boot, verdict.difference) })
      })

      return BootGate.of({ show, pass })
    })
  )
}
