import { Effect, Redacted } from "effect"
import { loadBiscuit } from "../../src/session/biscuitModule.ts"

/** The public key of a private one, in biscuit's text form. */
export const biscuitPublicKey = (key: Redacted.Redacted<string>) =>
  Effect.map(
    loadBiscuit,
    (biscuit) =>
      biscuit.KeyPair.fromPrivateKey(biscuit.PrivateKey.fromString(Redacted.value(key))).getPublicKey().toString()
  )
