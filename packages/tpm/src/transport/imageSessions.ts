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
import { pcrRead } from "../command/pcr.ts"
import { SessionKind, startAuthSession } from "../command/policySession.ts"
import type { ImagePolicy } from "../policy/ImagePolicy.ts"
import { approvalDigest, IMAGE_PCRS, POLICY_REFERENCE } from "../policy/policyDigest.ts"
import { Algorithm } from "../structures/Algorithm.ts"
import { fromHex, toHex } from "../structures/Hex.ts"
import type { Line } from "./Exchange.ts"
import type { MakingRoom } from "./roomInTpm.ts"
import { TpmPolicyUnmet } from "./TpmError.ts"

const bytes = (text: string) => Effect.orDie(Effect.fromResult(fromHex(text, "image policy")))

/** What says that the image is not approved, and how to approve it. */
const unmet = Effect.fnUntraced(function*(line: Line) {
  const values = yield* line.send(pcrRead(IMAGE_PCRS))
  const text = IMAGE_PCRS.pcrs.map((pcr) => `--pcr${pcr} ${toHex(values.get(pcr) ?? new Uint8Array())}`).join(" ")
  return new TpmPolicyUnmet({
    message: "The key store opens only for an approved image, and the one that this machine booted is none. Boot an " +
      `approved one, or approve this one on the server: patela policy sign-image --key FILE ${text}`
  })
})

/** Nobody said which images are approved. */
export const noImagePolicy = (): TpmPolicyUnmet =>
  new TpmPolicyUnmet({
    message:
      "The key store opens only for an approved image, and the server tells of none. Was its image policy lost? " +
      "Sign the image again with the same key: patela policy sign-image"
  })

/**
 * Gives sessions in which the policy of a bound index is fulfilled: PolicyPCR over what was booted, PolicyAuthorize by the
 * operator's signature over it. Each is good for one command, which ends it. The signature is verified once a line.
 */
export const imageSessions = (line: Line, room: MakingRoom, { approved, key }: ImagePolicy) => {
  let known: { readonly policy: Uint8Array; readonly keyName: Uint8Array; readonly ticket: Uint8Array } | undefined

  const verified = Effect.fnUntraced(function*(found: Uint8Array) {
    if (known !== undefined && toHex(known.policy) === toHex(found)) return known
    const match = approved.find(({ policy }) => policy === toHex(found))
    if (match === undefined) return yield* yield* unmet(line)
    const policy = yield* bytes(match.policy)
    const signature = yield* bytes(match.signature)
    return yield* Effect.acquireUseRelease(
      room(line.send(loadExternal(key))),
      (operator) =>
        Effect.map(
          line.send(verifySignature(operator, approvalDigest(policy, POLICY_REFERENCE), signature)),
          (ticket) => (known = { policy, keyName: operator.name, ticket })
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
      yield* line.send(policyPcr(handle, IMAGE_PCRS))
      const authorised = yield* verified(yield* line.send(policyGetDigest(handle)))
      yield* line.send(policyAuthorize(handle, { ...authorised, reference: POLICY_REFERENCE }))
    })
    yield* Effect.tapError(fulfilled, () => end)
    return { handle, end }
  })
}
