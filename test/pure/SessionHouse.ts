import { eventLogFileAt } from "@patela/agent/session/EventLogFile"
import { KeptToken } from "@patela/agent/session/KeptToken"
import { ServerClient, SessionToken } from "@patela/agent/session/ServerClient"
import { Session } from "@patela/agent/session/Session"
import type { PcrValues } from "@patela/tpm/quote/PcrValues"
import { Tpm } from "@patela/tpm/transport/Tpm"
import { Effect, Layer, Redacted, Ref } from "effect"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { ClientRequest, IncomingMessage } from "node:http"
import { runningPatelaWith } from "../../packages/server/test/rig/runningPatela.ts"
import type { SoftwareTpm } from "../../packages/server/test/rig/SoftwareTpm.ts"

/** What of the TPM a session uses, with keys that are in software; `activations` counts how often it was asked to prove. */
export const tpmOf = (
  keys: SoftwareTpm,
  activations: Ref.Ref<number>,
  pcrValues: PcrValues = new Map()
) => {
  const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"))
  const hex = (data: Uint8Array) => Buffer.from(data).toString("hex")
  const unused = Effect.die("a session does not use this of a TPM")
  return Layer.succeed(
    Tpm,
    Tpm.of({
      endorsementKey: Effect.succeed(bytes(keys.request.ek_public)),
      useEndorsementKey: () => unused,
      attestationKey: Effect.succeed({ public: bytes(keys.request.ak_public), name: bytes(keys.request.ak_name) }),
      activateCredential: ({ blob, secret }) =>
        Ref.update(activations, (count) => count + 1).pipe(
          Effect.as(Redacted.make(new Uint8Array(keys.activate(hex(blob), hex(secret)))))
        ),
      quote: (nonce, { bank, pcrs }) =>
        Effect.sync(() => {
          const { attestation, signature } = keys.quote({ nonce, selection: [{ hash: bank, pcrs }], pcrValues })
          return { attested: attestation, signature }
        }),
      pcrRead: ({ bank }) => Effect.succeed(pcrValues.get(bank) ?? new Map()),
      nvAttributes: unused,
      imagePcrs: unused,
      nvRead: () => unused,
      nvWrite: () => unused,
      nvDefine: () => unused,
      nvUndefine: () => unused,
      nvPublics: Effect.succeed([]),
      limits: unused,
      persistentHandles: unused,
      evictPersistent: () => unused
    })
  )
}

/** Every answer that this process gets over HTTP, as `STATUS PATH`, from Node itself. */
export const answers = Effect.acquireRelease(
  Effect.sync(() => {
    const heard: Array<string> = []
    const listen = (message: unknown) => {
      if (typeof message !== "object" || message === null) return
      if (!("request" in message && "response" in message)) return
      const { request, response } = message
      if (request instanceof ClientRequest && response instanceof IncomingMessage) {
        heard.push(`${response.statusCode} ${request.path}`)
      }
    }
    subscribe("http.client.response.finish", listen)
    return { heard, listen }
  }),
  ({ listen }) => Effect.sync(() => unsubscribe("http.client.response.finish", listen))
).pipe(Effect.map(({ heard }) => ({ take: () => heard.splice(0) })))

export const sessionWith = (input: {
  readonly port: number
  readonly cert: string
  readonly token: string
  readonly tpm: Layer.Layer<Tpm>
  readonly eventLog?: string
}) =>
  Layer.build(
    Session.layer.pipe(
      Layer.provide(ServerClient.layer({
        url: new URL(`https://127.0.0.1:${input.port}`),
        caCertificate: input.cert
      })),
      Layer.provide(input.eventLog === undefined ? Layer.empty : eventLogFileAt(input.eventLog)),
      Layer.provide(Layer.mergeAll(SessionToken.layer, KeptToken.layerAt(input.token), input.tpm))
    )
  ).pipe(Effect.flatMap((context) => Effect.provide(Session, context)))

/** A server in a process of its own, at a port, any free one unless told, a machine that it enabled, and that machine's session. */
export const houseAt = Effect.fnUntraced(function*(port?: number) {
  const patela = yield* runningPatelaWith({}, undefined, port)
  const { id, tpm } = yield* patela.enrolled
  const activations = yield* Ref.make(0)
  const session = yield* sessionWith({
    port: patela.server.port,
    cert: patela.cert,
    token: `${patela.folder}/no-token`,
    tpm: tpmOf(tpm, activations)
  })
  return { ...patela, id, session, activations: Ref.get(activations) }
})

export const house = houseAt()
