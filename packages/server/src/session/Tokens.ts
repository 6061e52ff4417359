import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Context, Effect, Layer, Redacted, Schema } from "effect"
import { hash } from "node:crypto"
import { loadBiscuit } from "./biscuitModule.ts"
import { TOKEN_LIFE } from "./lifetimes.ts"
import { TokenKey } from "./TokenKey.ts"

/** The longest text that is looked at as a token; ours are about 500 characters. */
const LONGEST = 4096

const Digits = (count: number) => Schema.String.pipe(Schema.check(Schema.isPattern(new RegExp(`^[0-9a-f]{${count}}$`))))

/**
 * What a token says: whose it is, the epoch of that node, the digest of its keys, and the challenge that it was sealed
 * in, with that challenge's time in Unix milliseconds.
 */
export const TokenClaims = Schema.Struct({
  node: NodeId,
  epoch: Schema.Int,
  keys: Digits(64),
  challenge: Digits(32),
  made: Schema.Int
})
export type TokenClaims = typeof TokenClaims.Type

/** A token that was read: what it says, and whether an old key signed it. */
export interface ReadToken extends TokenClaims {
  readonly oldKey: boolean
}

/** What is so now of the node that a token names: the authorizer holds the token's checks against it. */
export type NodeStanding = Pick<TokenClaims, "node" | "epoch" | "keys">

/** The text is no token of this server, or does not hold any more. `message` says which and never holds the token. */
export class TokenInvalid extends Schema.TaggedError<TokenInvalid>()("TokenInvalid", { message: Schema.String }) {}

/**
 * Datalog limits for one token. Time is the wall clock's: the default of biscuit is 1 ms, which the first call passes by
 * far, and half a second was seen to be passed on a machine with three times the work that it has processors for.
 */
const LIMITS = { max_facts: 100, max_iterations: 10, max_time_micro: 2_000_000 }

/** How many tokens are kept as they were read: the signatures of a session that goes on need not be verified again. */
const MOST_KEPT = 4096

const QUERY = "claims($node, $epoch, $keys, $challenge, $made) <- " +
  "node($node), epoch($epoch), keys($keys), challenge($challenge), made($made), purpose(\"session\")"

/** Whatever a later block says, these facts are only taken from the authority block, which the server signed. */
const POLICY = "allow if node($node), epoch($epoch), keys($keys), purpose(\"session\"), standing($node, $epoch, $keys);"

const decodeClaims = Schema.decodeUnknownSync(TokenClaims)

const digestOf = (text: string): string => hash("sha256", text, "base64url")

const seconds = (millis: number): string => new Date(millis).toISOString()

const isCheckFailure = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "FailedLogic" in error

const foreign = new TokenInvalid({ message: "the token is not one that this server made" })
const ended = new TokenInvalid({ message: "the token has expired, or is of an earlier epoch; authenticate again" })

/**
 * Biscuit tokens (biscuitsec.org, specification 3.3). The authority block holds what the token is bound to and the checks
 * of expiry and standing; facts of later blocks are not trusted, so who holds a token can only narrow it.
 */
export class Tokens extends Context.Service<Tokens, {
  readonly mint: (claims: TokenClaims) => Effect.Effect<Redacted.Redacted<string>>
  /** What a token says that this server signed; nothing of whether it holds. */
  readonly read: (token: Redacted.Redacted<string>) => Effect.Effect<ReadToken, TokenInvalid>
  /** Has the authorizer evaluate the token's checks, with the time and its node's standing now. */
  readonly authorize: (
    token: Redacted.Redacted<string>,
    standing: NodeStanding
  ) => Effect.Effect<void, TokenInvalid>
}>()("@patela/server/session/Tokens") {
  static readonly layer = Layer.effect(
    Tokens,
    Effect.gen(function*() {
      const key = yield* TokenKey
      const biscuit = yield* loadBiscuit
      const query = biscuit.Rule.fromString(QUERY)
      const privateKey = biscuit.PrivateKey.fromString(Redacted.value(key.private))
      const publicOf = (text: string) =>
        text.startsWith("ed25519-private/")
          ? biscuit.KeyPair.fromPrivateKey(biscuit.PrivateKey.fromString(text)).getPublicKey()
          : biscuit.PublicKey.fromString(text.slice("ed25519/".length), biscuit.SignatureAlgorithm.Ed25519)
      const publicKey = publicOf(Redacted.value(key.private))
      const oldKeys = key.old.map((old) => publicOf(Redacted.value(old)))
      /** No token of an old key is left by then; whoever has the key could still make some. */
      const oldUntil = (yield* Clock.currentTimeMillis) + TOKEN_LIFE

      type Parsed = ReturnType<typeof biscuit.Biscuit.fromBase64>
      /** The newest tokens, by their digest. Whether they hold is evaluated each time. */
      const kept = new Map<string, { readonly parsed: Parsed; readonly claims: ReadToken }>()

      const keep = (digest: string, parsed: Parsed, claims: ReadToken): void => {
        const [oldest] = kept
        if (kept.size >= MOST_KEPT && oldest !== undefined) {
          kept.delete(oldest[0])
          oldest[1].parsed.free()
        }
        kept.set(digest, { parsed, claims })
      }

      /** The token under the first key that signed it; the last key's error where none did. */
      const parse = (token: string, nowMillis: number) => {
        const accepted = nowMillis < oldUntil ? [publicKey, ...oldKeys] : [publicKey]
        for (const [index, one] of accepted.entries()) {
          try {
            return { parsed: biscuit.Biscuit.fromBase64(token, one), oldKey: index > 0 }
          } catch (error) {
            if (index === accepted.length - 1) throw error
          }
        }
        throw new RangeError("there is always a key")
      }

      const mint = Effect.fn("Tokens.mint")(({ node, epoch, keys, challenge, made }: TokenClaims) =>
        Effect.sync(() => {
          const builder = biscuit.Biscuit.builder()
          builder.addCode(
            `node(${node}); epoch(${epoch}); keys("${keys}"); challenge("${challenge}"); made(${made}); ` +
              `purpose("session"); check if time($time), $time < ${seconds(made + TOKEN_LIFE)}; ` +
              "check if node($node), epoch($epoch), keys($keys), standing($node, $epoch, $keys);"
          )
          return Redacted.make(builder.build(privateKey).toBase64(), { label: "token" })
        })
      )

      const claimsIn = (parsed: Parsed): Record<string, unknown> => {
        // Building consumes the builder: freeing it as well would corrupt the module's memory.
        using authorizer = new biscuit.AuthorizerBuilder().buildAuthenticated(parsed)
        const facts: ReadonlyArray<{ readonly terms: () => ReadonlyArray<unknown> }> = authorizer.queryWithLimits(
          query,
          LIMITS
        )
        const [node, epoch, keys, challenge, made] = facts.length === 1 ? facts[0]?.terms() ?? [] : []
        return { node, epoch, keys, challenge, made }
      }

      const evaluate = (parsed: Parsed, nowMillis: number, { node, epoch, keys }: NodeStanding): void => {
        const builder = new biscuit.AuthorizerBuilder()
        builder.addCode(`time(${seconds(nowMillis)}); standing(${node}, ${epoch}, "${keys}"); ${POLICY}`)
        using authorizer = builder.buildAuthenticated(parsed)
        authorizer.authorizeWithLimits(LIMITS)
      }

      const read = Effect.fn("Tokens.read")(function*(token: Redacted.Redacted<string>) {
        const text = Redacted.value(token)
        if (text.length === 0) return yield* new TokenInvalid({ message: "the request carries no bearer token" })
        if (text.length > LONGEST || !/^[\w=-]+$/.test(text)) return yield* foreign
        const digest = digestOf(text)
        const known = kept.get(digest)
        if (known !== undefined) return known.claims
        const nowMillis = yield* Clock.currentTimeMillis
        return yield* Effect.try({
          try: () => {
            const { parsed, oldKey } = parse(text, nowMillis)
            try {
              const claims: ReadToken = { ...decodeClaims(claimsIn(parsed)), oldKey }
              keep(digest, parsed, claims)
              return claims
            } catch (error) {
              parsed.free()
              throw error
            }
          },
          catch: () => foreign
        })
      })

      const authorize = Effect.fn("Tokens.authorize")(
        function*(token: Redacted.Redacted<string>, standing: NodeStanding) {
          const nowMillis = yield* Clock.currentTimeMillis
          const text = Redacted.value(token)
          const known = kept.get(digestOf(text))
          yield* Effect.try({
            try: () => {
              // One of an old key is verified again, for that key is not accepted for ever.
              if (known !== undefined && !known.claims.oldKey) return evaluate(known.parsed, nowMillis, standing)
              using parsed = parse(text, nowMillis).parsed
              return evaluate(parsed, nowMillis, standing)
            },
            catch: (error) => isCheckFailure(error) ? ended : foreign
          })
        }
      )

      return Tokens.of({ mint, read, authorize })
    })
  )
}
