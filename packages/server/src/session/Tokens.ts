import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Context, Effect, Layer, Redacted, Schema } from "effect"
import { loadBiscuit } from "./biscuitModule.ts"
import { TokenKey } from "./TokenKey.ts"

/** How long a token is good for, in milliseconds. */
export const TOKEN_LIFE = 15 * 60 * 1000

/** The longest text that is looked at as a token; ours are about 300 characters. */
const LONGEST = 4096

/** What a token says: whose it is, and in which epoch of that node it was made. */
export const TokenClaims = Schema.Struct({ node: NodeId, epoch: Schema.Int })
export type TokenClaims = typeof TokenClaims.Type

/** The text is no token of this server, or is past its time. `message` says which and never holds the token. */
export class TokenInvalid extends Schema.TaggedError<TokenInvalid>()("TokenInvalid", { message: Schema.String }) {}

/**
 * Datalog limits for one token. Time is the wall clock's: the default of biscuit is 1 ms, which the first call passes by
 * far, and half a second was seen to be passed on a machine with three times the work that it has processors for.
 */
const LIMITS = { max_facts: 100, max_iterations: 10, max_time_micro: 2_000_000 }

const QUERY = "claims($node, $epoch) <- node($node), epoch($epoch)"

const seconds = (millis: number): string => new Date(millis).toISOString()

const isCheckFailure = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "FailedLogic" in error

const foreign = new TokenInvalid({ message: "the token is not one that this server made" })
const expired = new TokenInvalid({ message: "the token has expired; authenticate again" })

/**
 * Biscuit tokens (biscuitsec.org, specification 3.3). The authority block holds `node`, `epoch` and the check of the
 * expiry; facts of later blocks are not trusted, so a token can only be narrowed by who holds it.
 */
export class Tokens extends Context.Service<Tokens, {
  readonly mint: (claims: TokenClaims) => Effect.Effect<Redacted.Redacted<string>>
  readonly verify: (token: Redacted.Redacted<string>) => Effect.Effect<TokenClaims, TokenInvalid>
}>()("@patela/server/session/Tokens") {
  static readonly layer = Layer.effect(
    Tokens,
    Effect.gen(function*() {
      const key = yield* TokenKey
      const biscuit = yield* loadBiscuit
      const privateKey = biscuit.PrivateKey.fromString(Redacted.value(key.private))
      const publicKey = biscuit.KeyPair.fromPrivateKey(privateKey).getPublicKey()

      const mint = Effect.fn("Tokens.mint")(function*({ node, epoch }: TokenClaims) {
        const expiry = seconds((yield* Clock.currentTimeMillis) + TOKEN_LIFE)
        return yield* Effect.sync(() => {
          const builder = biscuit.Biscuit.builder()
          builder.addCode(`node(${node}); epoch(${epoch}); check if time($time), $time < ${expiry};`)
          return Redacted.make(builder.build(privateKey).toBase64(), { label: "token" })
        })
      })

      const claimsOf = (token: string, nowMillis: number): unknown => {
        using parsed = biscuit.Biscuit.fromBase64(token, publicKey)
        // Building consumes the builder: freeing it as well would corrupt the module's memory.
        const builder = new biscuit.AuthorizerBuilder()
        builder.addCode(`time(${seconds(nowMillis)}); allow if node($node), epoch($epoch);`)
        using authorizer = builder.buildAuthenticated(parsed)
        authorizer.authorizeWithLimits(LIMITS)
        const facts: ReadonlyArray<{ readonly terms: () => ReadonlyArray<unknown> }> = authorizer.queryWithLimits(
          biscuit.Rule.fromString(QUERY),
          LIMITS
        )
        const [node, epoch] = facts.length === 1 ? facts[0]?.terms() ?? [] : []
        return { node, epoch }
      }

      const verify = Effect.fn("Tokens.verify")(function*(token: Redacted.Redacted<string>) {
        const text = Redacted.value(token)
        if (text.length === 0) return yield* new TokenInvalid({ message: "the request carries no bearer token" })
        if (text.length > LONGEST || !/^[\w=-]+$/.test(text)) return yield* foreign
        const nowMillis = yield* Clock.currentTimeMillis
        const claims = yield* Effect.try({
          try: () => claimsOf(text, nowMillis),
          catch: (error) => isCheckFailure(error) ? expired : foreign
        })
        return yield* Schema.decodeUnknownEffect(TokenClaims)(claims).pipe(Effect.mapError(() => foreign))
      })

      return Tokens.of({ mint, verify })
    })
  )
}
