import { Effect, Redacted, type Scope } from "effect"
import { hash } from "node:crypto"
import { Newest } from "../limits/Newest.ts"
import { renewedBiscuit } from "./renewedBiscuit.ts"
import type { TokenKey } from "./TokenKey.ts"

/**
 * Datalog limits for one token. Time is the wall clock's: the default of biscuit is 1 ms, which the first call passes by
 * far, and half a second was seen to be passed on a machine with three times the work that it has processors for.
 */
const LIMITS = { max_facts: 100, max_iterations: 10, max_time_micro: 2_000_000 }

/** How many tokens are kept as they were read: the signatures of a session that goes on need not be verified each time. */
const MOST_KEPT = 1024

/** Facts that a query found, and whether an old key signed the token that they are in. */
export interface Asked {
  readonly facts: ReadonlyArray<ReadonlyArray<unknown>>
  readonly oldKey: boolean
}

/**
 * Signs Biscuits and reads them again, by the keys of this server. Each call is synchronous, and throws what biscuit-wasm
 * throws: of a token that none of the accepted keys signed, or whose checks fail. Old keys count where `oldToo` says so.
 */
export interface SignedBiscuits {
  /** A token with this Datalog as its authority block. */
  readonly sign: (code: string) => string
  /** What a query finds in a token's authority block. */
  readonly ask: (token: string, query: string, oldToo: boolean) => Asked
  /**
   * Has the authorizer evaluate a token's checks and the policy that are in this Datalog. Whether the token is as it was
   * signed, without a block that somebody added to narrow it.
   */
  readonly authorize: (token: string, code: string, oldToo: boolean) => boolean
}

/** They are freed at the end of the scope. */
export const signedBiscuits = Effect.fnUntraced(
  function*(key: TokenKey["Service"]): Effect.fn.Return<SignedBiscuits, never, Scope.Scope> {
    const { biscuit, keeping, renewWhenGrown } = yield* renewedBiscuit
    type Parsed = ReturnType<typeof biscuit.Biscuit.fromBase64>

    const publicOf = (text: string) => {
      if (!text.startsWith("ed25519-private/")) {
        return biscuit.PublicKey.fromString(text.slice("ed25519/".length), biscuit.SignatureAlgorithm.Ed25519)
      }
      using secret = biscuit.PrivateKey.fromString(text)
      using pair = biscuit.KeyPair.fromPrivateKey(secret)
      return pair.getPublicKey()
    }
    const makeKeys = () => ({
      secret: biscuit.PrivateKey.fromString(Redacted.value(key.private)),
      accepted: [key.private, ...key.old].map((one) => publicOf(Redacted.value(one)))
    })
    let made: ReturnType<typeof makeKeys> | undefined
    const keys = () => made ??= makeKeys()

    /** The newest tokens, by their digest. */
    const kept = new Newest<{ readonly parsed: Parsed; readonly oldKey: boolean }>(
      MOST_KEPT,
      ({ parsed }) => parsed.free()
    )

    yield* keeping(() => {
      kept.clear()
      made?.secret.free()
      for (const one of made?.accepted ?? []) one.free()
      made = undefined
    })

    /** A token whose signatures are good, with the first key that signed it; the last key's error where none did. */
    const verified = (token: string, oldToo: boolean) => {
      renewWhenGrown()
      const digest = hash("sha256", token, "base64url")
      const known = kept.get(digest)
      if (known !== undefined && (oldToo || !known.oldKey)) return known
      const accepted = oldToo ? keys().accepted : keys().accepted.slice(0, 1)
      for (const [index, one] of accepted.entries()) {
        try {
          return kept.add(digest, { parsed: biscuit.Biscuit.fromBase64(token, one), oldKey: index > 0 })
        } catch (error) {
          if (index === accepted.length - 1) throw error
        }
      }
      throw new RangeError("there is always a key")
    }

    /** What is built from a builder consumes it, and only what never came to that is to be freed. */
    const withCode = <Builder extends { readonly addCode: (code: string) => void; readonly free: () => void }>(
      builder: Builder,
      code: string
    ): Builder => {
      try {
        builder.addCode(code)
        return builder
      } catch (error) {
        builder.free()
        throw error
      }
    }

    return {
      sign: (code) => {
        renewWhenGrown()
        const builder = withCode(biscuit.Biscuit.builder(), code)
        using built = builder.build(keys().secret)
        return built.toBase64()
      },
      ask: (token, query, oldToo) => {
        const { oldKey, parsed } = verified(token, oldToo)
        using rule = biscuit.Rule.fromString(query)
        using authorizer = new biscuit.AuthorizerBuilder().buildAuthenticated(parsed)
        const found: ReadonlyArray<{ readonly terms: () => ReadonlyArray<unknown>; readonly free: () => void }> =
          authorizer.queryWithLimits(rule, LIMITS)
        const facts = found.map((fact) => fact.terms())
        for (const fact of found) fact.free()
        return { facts, oldKey }
      },
      authorize: (token, code, oldToo) => {
        const { parsed } = verified(token, oldToo)
        using authorizer = withCode(new biscuit.AuthorizerBuilder(), code).buildAuthenticated(parsed)
        authorizer.authorizeWithLimits(LIMITS)
        return parsed.countBlocks() === 1
      }
    }
  }
)
