import { NodeId } from "@patela/domain/node/NodeId"
import { Clock, Context, Effect, Layer, Redacted, Schema } from "effect"
import { hash } from "node:crypto"
import { Newest } from "../limits/Newest.ts"
import { TOKEN_LIFE } from "./lifetimes.ts"
import { signedBiscuits } from "./signedBiscuits.ts"
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

/** How many tokens are known: what they say is read once, and whether they hold is evaluated where something changed. */
const MOST_READ = 4096

const QUERY = "claims($node, $epoch, $keys, $challenge, $made) <- " +
  "node($node), epoch($epoch), keys($keys), challenge($challenge), made($made), purpose(\"session\")"

/** Whatever a later block says, these facts are only taken from the authority block, which the server signed. */
const POLICY = "allow if node($node), epoch($epoch), keys($keys), purpose(\"session\"), standing($node, $epoch, $keys);"

const decodeClaims = Schema.decodeUnknownSync(TokenClaims)

const digestOf = (text: string): string => hash("sha256", text, "base64url")

/** What a token says, and up to when it holds while its node stands so, in Unix milliseconds. */
interface KnownToken {
  readonly said: ReadToken
  holding: { readonly standing: string; readonly until: number } | undefined
}

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
      const { ask, authorize: evaluate, sign } = yield* signedBiscuits(key)
      /** No token of an old key is left by then; whoever has the key could still make some. */
      const oldUntil = (yield* Clock.currentTimeMillis) + TOKEN_LIFE

      /** The newest tokens, by their digest. */
      const known = new Newest<KnownToken>(MOST_READ)

      /**
       * A token as it was signed has the checks of `mint` and no others, and of what they ask only the time goes on: what
       * the authorizer said holds until the end of the token, or until its node stands otherwise.
       */
      const remember = (token: KnownToken, standing: string): void => {
        // A date of Biscuit is a whole second.
        const end = Math.floor((token.said.made + TOKEN_LIFE) / 1000) * 1000
        token.holding = { standing, until: token.said.oldKey ? Math.min(end, oldUntil) : end }
      }

      const mint = Effect.fn("Tokens.mint")(({ node, epoch, keys, challenge, made }: TokenClaims) =>
        Effect.sync(() =>
          Redacted.make(
            sign(
              `node(${node}); epoch(${epoch}); keys("${keys}"); challenge("${challenge}"); made(${made}); ` +
                `purpose("session"); check if time($time), $time < ${seconds(made + TOKEN_LIFE)}; ` +
                "check if node($node), epoch($epoch), keys($keys), standing($node, $epoch, $keys);"
            ),
            { label: "token" }
          )
        )
      )

      const claimsOf = (text: string, nowMillis: number): ReadToken => {
        const { facts, oldKey } = ask(text, QUERY, nowMillis < oldUntil)
        const [node, epoch, keys, challenge, made] = facts.length === 1 ? facts[0] ?? [] : []
        return { ...decodeClaims({ node, epoch, keys, challenge, made }), oldKey }
      }

      const read = Effect.fn("Tokens.read")(function*(token: Redacted.Redacted<string>) {
        const text = Redacted.value(token)
        if (text.length === 0) return yield* new TokenInvalid({ message: "the request carries no bearer token" })
        if (text.length > LONGEST || !/^[\w=-]+$/.test(text)) return yield* foreign
        const digest = digestOf(text)
        const before = known.get(digest)
        if (before !== undefined) return before.said
        const nowMillis = yield* Clock.currentTimeMillis
        const said = yield* Effect.try({ try: () => claimsOf(text, nowMillis), catch: () => foreign })
        return known.add(digest, { said, holding: undefined }).said
      })

      const authorize = Effect.fn("Tokens.authorize")(
        function*(token: Redacted.Redacted<string>, { epoch, keys, node }: NodeStanding) {
          const nowMillis = yield* Clock.currentTimeMillis
          const text = Redacted.value(token)
          const before = known.get(digestOf(text))
          const standing = `standing(${node}, ${epoch}, "${keys}")`
          const holding = before?.holding
          if (holding !== undefined && holding.standing === standing && nowMillis < holding.until) return
          const asSigned = yield* Effect.try({
            try: () => evaluate(text, `time(${seconds(nowMillis)}); ${standing}; ${POLICY}`, nowMillis < oldUntil),
            catch: (error) => isCheckFailure(error) ? ended : foreign
          })
          if (asSigned && before !== undefined) remember(before, standing)
        }
      )

      return Tokens.of({ mint, read, authorize })
    })
  )
}
