import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Context, Effect, Layer, Redacted, Schema } from "effect"
import { createHash } from "node:crypto"
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

/** How many tokens are known by what they say: signatures of sessions that go on need not be verified to read them. */
const MOST_READ = 4096

const QUERY = "claims($node, $epoch, $keys, $challenge, $made) <- " +
  "node($node), epoch($epoch), keys($keys), challenge($challenge), made($made), purpose(\"session\")"

/** Whatever a later block says, these facts are only taken from the authority block, which the server signed. */
const POLICY = "allow if node($node), epoch($epoch), keys($keys), purpose(\"session\"), standing($node, $epoch, $keys);"

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
      const privateKey = biscuit.PrivateKey.fromString(Redacted.value(key.private))
      const publicOf = (text: string) =>
        text.startsWith("ed25519-private/")
          ? biscuit.KeyPair.fromPrivateKey(biscuit.PrivateKey.fromString(text)).getPublicKey()
          : biscuit.PublicKey.fromString(text.slice("ed25519/".length), biscuit.SignatureAlgorithm.Ed25519)
      const publicKey = publicOf(Redacted.value(key.private))
      const oldKeys = key.old.map((old) => publicOf(Redacted.value(old)))
      /** No token of an old key is left by then; whoever has the key could still make some. */
      const oldUntil = (yield* Clock.currentTimeMillis) + TOKEN_LIFE

      /** What the newest tokens say, by their digest. Whether they hold is evaluated each time. */
      const readBefore = new Map<string, ReadToken>()

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

      const claimsOf = (token: string, nowMillis: number) => {
        const { parsed: biscuitToken, oldKey } = parse(token, nowMillis)
        using parsed = biscuitToken
        // Building consumes the builder: freeing it as well would corrupt the module's memory.
        using authorizer = new biscuit.AuthorizerBuilder().buildAuthenticated(parsed)
        const facts: ReadonlyArray<{ readonly terms: () => ReadonlyArray<unknown> }> = authorizer.queryWithLimits(
          biscuit.Rule.fromString(QUERY),
          LIMITS
        )
        const [node, epoch, keys, challenge, made] = facts.length === 1 ? facts[0]?.terms() ?? [] : []
        return { oldKey, said: { node, epoch, keys, challenge, made } satisfies Record<string, unknown> }
      }

      const evaluate = (token: string, nowMillis: number, { node, epoch, keys }: NodeStanding): void => {
        using parsed = parse(token, nowMillis).parsed
        const builder = new biscuit.AuthorizerBuilder()
        builder.addCode(`time(${seconds(nowMillis)}); standing(${node}, ${epoch}, "${keys}"); ${POLICY}`)
        using authorizer = builder.buildAuthenticated(parsed)
        authorizer.authorizeWithLimits(LIMITS)
      }

      const read = Effect.fn("Tokens.read")(function*(token: Redacted.Redacted<string>) {
        const text = Redacted.value(token)
        if (text.length === 0) return yield* new TokenInvalid({ message: "the request carries no bearer token" })
        if (text.length > LONGEST || !/^[\w=-]+$/.test(text)) return yield* foreign
        const digest = createHash("sha256").update(text).digest("base64url")
        const known = readBefore.get(digest)
        if (known !== undefined) return known
        const nowMillis = yield* Clock.currentTimeMillis
        const { said, oldKey } = yield* Effect.try({ try: () => claimsOf(text, nowMillis), catch: () => foreign })
        const claims = yield* Schema.decodeUnknownEffect(TokenClaims)(said).pipe(Effect.mapError(() => foreign))
        const found: ReadToken = { ...claims, oldKey }
        const [first] = readBefore.keys()
        if (readBefore.size >= MOST_READ && first !== undefined) readBefore.delete(first)
        readBefore.set(digest, found)
        return found
      })

      const authorize = Effect.fn("Tokens.authorize")(
        function*(token: Redacted.Redacted<string>, standing: NodeStanding) {
          const nowMillis = yield* Clock.currentTimeMillis
          yield* Effect.try({
            try: () => evaluate(Redacted.value(token), nowMillis, standing),
            catch: (error) => isCheckFailure(error) ? ended : foreign
          })
        }
      )

      return Tokens.of({ mint, read, authorize })
    })
  )
}
