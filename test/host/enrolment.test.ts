import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { KeptToken } from "@patela/agent/session/KeptToken"
import { ServerClient, SessionToken } from "@patela/agent/session/ServerClient"
import { Session } from "@patela/agent/session/Session"
import { ProofChallenge } from "@patela/domain/api/Proof"
import { NodeId } from "@patela/domain/node/NodeId"
import { fromHex, toHex } from "@patela/tpm/structures/Hex"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Tpm2Tools } from "@patela/tpm/transport/Tpm2Tools"
import { Context, Duration, Effect, Layer, Schema } from "effect"
import { runningPatela } from "../../packages/server/test/rig/runningPatela.ts"
import { softwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"
import { newTpmState, swtpm } from "../../packages/tpm/test/host/Swtpm.ts"

const TIMEOUT = 180_000
const once = { total: Duration.zero }

const Credential = Schema.Struct({ blob: Schema.String, secret: Schema.String })
const Waiting = Schema.fromJsonString(Schema.Struct({ proof: ProofChallenge }))
const Challenged = Schema.fromJsonString(Credential)

/** A machine with a TPM of its own, new. */
const machine = Effect.gen(function*() {
  const { tcti } = yield* swtpm(yield* newTpmState)
  const tpm = Context.get(yield* Layer.build(Layer.fresh(Tpm2Tools.layer({ tcti }))), Tpm)
  const ak = yield* tpm.attestationKey
  const request = { ek_public: toHex(yield* tpm.endorsementKey), ak_public: toHex(ak.public), ak_name: toHex(ak.name) }
  const opens = Effect.fnUntraced(function*({ blob, secret }: typeof Credential.Type) {
    const bytes = (text: string) => Effect.fromResult(fromHex(text, "credential"))
    return yield* tpm.activateCredential({ blob: yield* bytes(blob), secret: yield* bytes(secret) })
  })
  return { tpm, request, opens }
})

describe("enrolment with real TPMs", () => {
  it.live(
    "a machine proves its keys while it waits, is enabled by the hash that it shows, and has its session",
    () =>
      Effect.gen(function*() {
        const { server, cert, folder, cli, administration } = yield* runningPatela
        const { tpm, request } = yield* machine
        const session = Context.get(
          yield* Layer.build(
            Session.layer.pipe(
              Layer.provide(ServerClient.layer({
                url: new URL(`https://127.0.0.1:${server.port}`),
                caCertificate: cert
              })),
              Layer.provide(Layer.mergeAll(
                SessionToken.layer,
                KeptToken.layerAt(`${folder}/no-token`),
                Layer.succeed(Tpm, tpm)
              ))
            )
          ),
          Session
        )
        assert.strictEqual((yield* Effect.flip(session.config(once)))._tag, "WaitingForApproval")
        const { stdout } = yield* cli(["list", "node", "waiting"])
        assert.include(stdout, " proven ")
        const hash = yield* Effect.promise(() => crypto.subtle.digest("SHA-256", Buffer.from(request.ek_public, "hex")))
        assert.include(stdout, Buffer.from(hash).toString("hex"), "as `patela-agent tpm status` shows it")
        yield* administration.setEnabled("test", NodeId.make(1), true)
        assert.isAtLeast((yield* session.config(once)).relays.length, 1)
        yield* administration.revoke("test", NodeId.make(1))
        assert.isAtLeast((yield* session.config(once)).relays.length, 1, "authenticated again by itself")
      }).pipe(Effect.provide(NodeServices.layer)),
    TIMEOUT
  )

  it.live(
    "the EK of one machine with the AK of another, or one in software, is of no use to either",
    () =>
      Effect.gen(function*() {
        const { ask, administration } = yield* runningPatela
        const [one, two] = [yield* machine, yield* machine]
        const software = softwareTpm().request
        const mixed = [
          { ek_public: one.request.ek_public, ak_public: two.request.ak_public, ak_name: two.request.ak_name },
          { ek_public: one.request.ek_public, ak_public: software.ak_public, ak_name: software.ak_name }
        ]
        for (const request of mixed) {
          const body = JSON.stringify(request)
          const waiting = yield* ask("/public/auth", body)
          assert.strictEqual(waiting.status, 401)
          const { proof } = yield* Schema.decodeEffect(Waiting)(waiting.text)
          for (const { opens } of [one, two]) assert.strictEqual((yield* Effect.flip(opens(proof)))._tag, "TpmRefused")
          // A person who enables it all the same lets nobody in.
          const id = NodeId.make(Number(/patela enable (\d+)/.exec(waiting.text)?.[1]))
          yield* administration.setEnabled("test", id, true)
          const challenged = yield* ask("/public/auth", body)
          assert.strictEqual(challenged.status, 201)
          const challenge = yield* Schema.decodeEffect(Challenged)(challenged.text)
          for (const { opens } of [one, two]) {
            assert.strictEqual((yield* Effect.flip(opens(challenge)))._tag, "TpmRefused")
          }
        }
        // What belongs together opens.
        const body = JSON.stringify(one.request)
        const { proof } = yield* Schema.decodeEffect(Waiting)((yield* ask("/public/auth", body)).text)
        yield* one.opens(proof)
        assert.strictEqual((yield* Effect.flip(two.opens(proof)))._tag, "TpmRefused")
      }).pipe(Effect.provide(NodeServices.layer)),
    TIMEOUT
  )
})
