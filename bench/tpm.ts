import * as NodeServices from "@effect/platform-node/NodeServices"
import { Clock, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { makeCredential } from "../packages/tpm/src/credential/makeCredential.ts"
import { KeyStore } from "../packages/tpm/src/store/KeyStore.ts"
import { decodeTpm2bPublic } from "../packages/tpm/src/structures/TpmtPublic.ts"
import { Tcti } from "../packages/tpm/src/transport/Tcti.ts"
import { Tpm } from "../packages/tpm/src/transport/Tpm.ts"
import { TpmTransport, type Transport } from "../packages/tpm/src/transport/TpmTransport.ts"
import { Swtpm } from "../test/src/rig/Swtpm.ts"
import type { Bench } from "./Bench.ts"
import { below, median, plain } from "./Row.ts"

/** How often each is done. */
const RUNS = { direct: 41, tools: 11 } as const

/** The TPM did not do what was measured. */
class TpmFault extends Schema.TaggedError<TpmFault>()("TpmFault", { message: Schema.String }) {}

/** Milliseconds that it takes. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeNanos
    yield* effect
    return Duration.toMillis(Duration.nanos((yield* Clock.currentTimeNanos) - began))
  })

/** The middle of what it takes over and over; the first is not counted. */
const middle = <A, E, R>(transport: Transport, effect: Effect.Effect<A, E, R>) =>
  Effect.map(
    Effect.replicateEffect(timed(effect), RUNS[transport] + 1),
    (taken) => median(taken.slice(1))
  )

/** Keys asked for, credential made (which is the server's part: 0.2 ms), credential opened. */
const authentication = Effect.gen(function*() {
  const tpm = yield* Tpm
  const endorsementKey = yield* Effect.fromResult(decodeTpm2bPublic(yield* tpm.endorsementKey))
  const { name } = yield* tpm.attestationKey
  const key = new Uint8Array(randomBytes(32))
  const credential = yield* makeCredential({ endorsementKey, akName: name, credential: key })
  const opened = yield* tpm.activateCredential(credential)
  if (Buffer.compare(Redacted.value(opened), key) !== 0) {
    return yield* new TpmFault({ message: "the credential was not opened" })
  }
})

const relays = (count: number) =>
  new Map(Array.from({ length: count }, (_, at) => [
    at.toString(16).padStart(8, "0"),
    Redacted.make<Uint8Array>(randomBytes(192))
  ]))

/** A save of new keys of so many relays, and everything read back, as after a boot. */
const storage = (transport: Transport, count: number) =>
  Effect.gen(function*() {
    const store = yield* KeyStore
    const save = yield* middle(transport, Effect.suspend(() => store.write(relays(count))))
    return { save, restore: yield* middle(transport, store.read), header: yield* middle(transport, store.header) }
  })

const layer = (transport: Transport, tcti: Tcti) =>
  KeyStore.layer.pipe(Layer.provideMerge(TpmTransport.layer({ tcti, transport })), Layer.provide(NodeServices.layer))

/** What a software TPM takes with each transport. An authentication is that of a new process: nothing was made before. */
export const tpm: Bench = {
  names: [
    "tpm.agent_auth_ms",
    "tpm.agent_auth_tools_ms",
    "tpm.header_read_ms",
    "tpm.header_read_tools_ms",
    "tpm.nv_save_8_ms",
    "tpm.nv_restore_8_ms",
    "tpm.nv_save_16_ms",
    "tpm.nv_restore_16_ms"
  ],
  needsRoot: false,
  run: () =>
    Effect.gen(function*() {
      const tcti = Tcti.make((yield* Swtpm.make()).tcti)
      const auth = (transport: Transport) =>
        middle(transport, Effect.suspend(() => authentication.pipe(Effect.provide(layer(transport, tcti)))))
      const direct = yield* auth("direct")
      const tools = yield* auth("tools")
      const store = (transport: Transport, count: number) =>
        storage(transport, count).pipe(Effect.provide(layer(transport, tcti)))
      const [eight, sixteen] = [yield* store("direct", 8), yield* store("direct", 16)]
      return [
        below("tpm.agent_auth_ms", direct, "ms", 25),
        plain("tpm.agent_auth_tools_ms", tools, "ms"),
        plain("tpm.header_read_ms", sixteen.header, "ms"),
        plain("tpm.header_read_tools_ms", (yield* store("tools", 1)).header, "ms"),
        plain("tpm.nv_save_8_ms", eight.save, "ms"),
        plain("tpm.nv_restore_8_ms", eight.restore, "ms"),
        plain("tpm.nv_save_16_ms", sixteen.save, "ms"),
        plain("tpm.nv_restore_16_ms", sixteen.restore, "ms")
      ]
    }).pipe(Effect.mapError(({ message }) => new TpmFault({ message })))
}
