import type { EndorsementKeyKind } from "@patela/domain/attestation/EndorsementKeyKind"
import { Effect, FileSystem, Layer, Option, type Redacted, Semaphore } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { type PcrSelection, pcrText } from "../command/pcr.ts"
import { decodeCredential } from "../credential/CredentialFile.ts"
import type { Credential } from "../credential/makeCredential.ts"
import type { ImagePolicySource } from "../policy/ImagePolicy.ts"
import { keyStation } from "./keyStation.ts"
import { kindInUse } from "./kindInUse.ts"
import { makingRoom } from "./makingRoom.ts"
import { NV_ATTRIBUTES, NV_BITS } from "./nvAttributes.ts"
import { handleText, whenAbsent, whenDefined, whenRead } from "./nvFault.ts"
import { readHandles, readLimits, readNvPublics, readPcrs } from "./readAnswer.ts"
import { runTool } from "./runTool.ts"
import { hasResourceManager, type Tcti } from "./Tcti.ts"
import { Tpm } from "./Tpm.ts"
import { TpmToolsUnusable } from "./TpmError.ts"
import { workDirectory } from "./workDirectory.ts"

/** The TPM by the commands of tpm2-tools 5.4 and later, for whatever address they know. */
export class Tpm2Tools {
  /**
   * `tcti` comes from `tctiOf`. `endorsementKey` is the kind to begin with, else the certificates in NV memory decide. Nothing
   * is run until a method is used, so the layer itself also builds where there is no TPM.
   */
  static readonly layer = (options: {
    readonly tcti: Tcti
    readonly endorsementKey?: EndorsementKeyKind
    readonly imagePolicy?: ImagePolicySource
  }): Layer.Layer<Tpm, TpmToolsUnusable, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =>
    Layer.effect(
      Tpm,
      make(options.tcti, options.endorsementKey, options.imagePolicy ?? Effect.succeed(Option.none()))
    )
}

const boundByTools = () =>
  new TpmToolsUnusable({
    command: "tpm2_nvdefine",
    message:
      "The server tells of an image policy, and tpm2-tools do not keep keys bound to one. Use the direct transport: " +
      "leave PATELA_TPM_TRANSPORT out."
  })

const make = Effect.fnUntraced(function*(
  tcti: Tcti,
  endorsementKey: EndorsementKeyKind | undefined,
  imagePolicy: ImagePolicySource
) {
  const files = yield* FileSystem.FileSystem
  const tool = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
  const run = hasResourceManager(tcti) ? tool : makingRoom(tool)
  const directory = yield* Effect.mapError(workDirectory, () =>
    new TpmToolsUnusable({
      command: "mkdtemp",
      message: "No temporary directory could be made: /run, /dev/shm and TMPDIR are full or not writable."
    }))
  const oneAtATime = Semaphore.makeUnsafe(1).withPermit

  const text = (command: string, args: ReadonlyArray<string>) =>
    Effect.map(run(command, args), (bytes) => new TextDecoder().decode(bytes))

  // Asked for one index that is not there, tpm2_nvreadpublic 5.4 ends with a segmentation fault: it is asked for all.
  const allNvPublics = Effect.flatMap(
    text("tpm2_nvreadpublic", []),
    (answer) => Effect.fromResult(readNvPublics("tpm2_nvreadpublic", answer))
  )
  const inUse = kindInUse(endorsementKey)
  const kind = inUse.of(
    Effect.map(allNvPublics, (found) => found.filter(({ written }) => written).map(({ index }) => index))
  )
  const keys = keyStation({ run, files, directory, kind, resourceManager: hasResourceManager(tcti) })

  const persistentHandles = oneAtATime(text("tpm2_getcap", ["handles-persistent"])).pipe(
    Effect.flatMap((answer) => Effect.fromResult(readHandles("tpm2_getcap", answer)))
  )

  const activateCredential = Effect.fn("Tpm.activateCredential")(function*(credential: Credential) {
    const checked = yield* Effect.fromResult(decodeCredential(credential))
    return yield* oneAtATime(keys.activate(checked))
  })

  const nvRead = Effect.fn("Tpm.nvRead")((index: number, offset: number, size?: number) => {
    const range = ["--offset", String(offset), ...(size === undefined ? [] : ["-s", String(size)])]
    return oneAtATime(run("tpm2_nvread", ["-C", "o", ...range, handleText(index)])).pipe(
      Effect.mapError(whenRead(index))
    )
  })

  const nvWrite = Effect.fn("Tpm.nvWrite")(
    function*(index: number, offset: number, data: Redacted.Redacted<Uint8Array>) {
      yield* oneAtATime(
        run("tpm2_nvwrite", ["-Q", "-C", "o", "-i", "-", "--offset", String(offset), handleText(index)], data)
      ).pipe(Effect.mapError(whenAbsent(index)))
    }
  )

  /** tpm2-tools keep the owner's indexes only: one that is bound must not become less by the choice of a transport. */
  const nvAttributes = Effect.flatMap(
    imagePolicy,
    (policy) => Option.isNone(policy) ? Effect.succeed(NV_BITS) : Effect.fail(boundByTools())
  )

  const nvDefine = Effect.fn("Tpm.nvDefine")(function*(index: number, size: number) {
    yield* nvAttributes
    const args = ["-Q", "-C", "o", "-s", String(size), "-a", NV_ATTRIBUTES, handleText(index)]
    yield* oneAtATime(run("tpm2_nvdefine", args)).pipe(
      Effect.mapError(whenDefined(index, size))
    )
  })

  const nvUndefine = Effect.fn("Tpm.nvUndefine")(function*(index: number) {
    yield* oneAtATime(run("tpm2_nvundefine", ["-Q", "-C", "o", handleText(index)])).pipe(
      Effect.mapError(whenAbsent(index))
    )
  })

  const limits = Effect.gen(function*() {
    const fixed = yield* text("tpm2_getcap", ["properties-fixed"])
    const variable = yield* text("tpm2_getcap", ["properties-variable"])
    return yield* Effect.fromResult(readLimits("tpm2_getcap", fixed, variable))
  }).pipe(oneAtATime, Effect.withSpan("Tpm.limits"))

  const evictPersistent = Effect.fn("Tpm.evictPersistent")(function*(handle: number) {
    yield* oneAtATime(run("tpm2_evictcontrol", ["-Q", "-C", "o", "-c", handleText(handle)]))
  })

  const pcrRead = Effect.fn("Tpm.pcrRead")(function*(selection: PcrSelection) {
    const answer = yield* oneAtATime(text("tpm2_pcrread", [pcrText(selection)]))
    return yield* Effect.fromResult(readPcrs("tpm2_pcrread", answer))
  })

  return Tpm.of({
    endorsementKey: oneAtATime(keys.endorsementKey).pipe(Effect.withSpan("Tpm.endorsementKey")),
    useEndorsementKey: inUse.use,
    attestationKey: oneAtATime(keys.attestationKey).pipe(Effect.withSpan("Tpm.attestationKey")),
    activateCredential,
    quote: Effect.fn("Tpm.quote")((nonce: Uint8Array, selection: PcrSelection) =>
      oneAtATime(keys.quote(nonce, selection))
    ),
    pcrRead,
    nvRead,
    nvWrite,
    nvAttributes,
    imagePcrs: Effect.fail(boundByTools()),
    nvDefine,
    nvUndefine,
    nvPublics: oneAtATime(allNvPublics).pipe(Effect.withSpan("Tpm.nvPublics")),
    limits,
    persistentHandles,
    evictPersistent
  })
})
