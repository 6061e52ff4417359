import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import {
  loadExternal,
  policyAuthorize,
  policyGetDigest,
  policyPcr,
  verifySignature
} from "../command/authorisedPolicy.ts"
import { flushContext } from "../command/context.ts"
import type { PcrSelection } from "../command/pcr.ts"
import { SessionKind, startAuthSession } from "../command/policySession.ts"
import type { ImagePolicy } from "../policy/ImagePolicy.ts"
import { approvalDigest, POLICY_REFERENCE } from "../policy/policyDigest.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { fromHex, toHex } from "../structures/Hex.ts"
import { approvedOn, unmet } from "./approvedOn.ts"
import type { Line } from "./Exchange.ts"
import type { MakingRoom } from "./roomInTpm.ts"

const bytes = (text: string) => Effect.orDie(Effect.fromResult(fromHex(text, "image policy")))

/** An approval whose signature the TPM has looked at. */
interface Verified {
  readonly selection: PcrSelection
  readonly policy: Uint8Array
  readonly keyName: Uint8Array
  readonly ticket: Uint8Array
}

/**
 * Gives sessions in which the policy of a bound index is fulfilled: PolicyPCR over what was booted, PolicyAuthorize by the
 * operator's signature over it. Each is good for one command, which ends it. The signature is verified once a line.
 */
export const imageSessions = (line: Line, room: MakingRoom, { approved, key }: ImagePolicy) => {
  let known: Verified | undefined

  const verified = Effect.gen(function*() {
    if (known !== undefined) return known
    const { approval, selection } = yield* approvedOn(line, approved)
    const policy = yield* bytes(approval.policy)
    const signature = yield* bytes(approval.signature)
    return yield* Effect.acquireUseRelease(
      room(line.send(loadExternal(key))),
      (operator) =>
        Effect.map(
          line.send(verifySignature(operator, approvalDigest(policy, POLICY_REFERENCE), signature)),
          (ticket) => (known = { selection, policy, keyName: operator.name, ticket })
        ),
      ({ handle }) => Effect.ignore(line.send(flushContext(handle)))
    )
  })

  return Effect.gen(function*() {
    const nonceCaller = randomBytes(32)
    const start = startAuthSession({ kind: SessionKind.policy, nonceCaller, hash: Algorithm.sha256 })
    const { handle } = yield* room(line.send(start))
    const end = Effect.ignore(line.send(flushContext(handle)))
    const fulfilled = Effect.gen(function*() {
      const authorised = yield* verified
      yield* line.send(policyPcr(handle, authorised.selection))
      // Something may have been measured since.
      const found = yield* line.send(policyGetDigest(handle))
      if (toHex(found) !== toHex(authorised.policy)) return yield* yield* unmet(line)
      yield* line.send(policyAuthorize(handle, { ...authorised, reference: POLICY_REFERENCE }))
    })
    yield* Effect.tapError(fulfilled, () => end)
    return { handle, end }
  })
}
