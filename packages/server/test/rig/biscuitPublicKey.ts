import { Effect, Redacted } from "effect"
import { packageBiscuit } from "./packageBiscuit.ts"

/** The public key of a private one, in biscuit's text form. */
export const biscuitPublicKey = (key: Redacted.Redacted<string>) =>
  Effect.map(
    packageBiscuit,
    (biscuit) =>
      biscuit.KeyPair.fromPrivateKey(biscuit.PrivateKey.fromString(Redacted.value(key))).getPublicKey().toString()
  )
