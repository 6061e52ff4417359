import { Effect, FileSystem, Layer, Option, type Redacted, Semaphore } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { decodeCredential } from "../credential/CredentialFile.ts"
import type { Credential } from "../credential/makeCredential.ts"
import type { EndorsementKeyKind } from "../identity/EndorsementKey.ts"
import { codeIs, ResponseCode } from "./classifyFailure.ts"
import { directNvRead } from "./directNvRead.ts"
import { keyStation } from "./keyStation.ts"
import { makingRoom } from "./makingRoom.ts"
import { NV_ATTRIBUTES } from "./nvAttributes.ts"
import { readHandles, readLimits, readNvPublics } from "./readAnswer.ts"
import { runTool } from "./runTool.ts"
import { hasResourceManager, type Tcti } from "./Tcti.ts"
import { Tpm } from "./Tpm.ts"
import { NvIndexAbsent, NvIndexUnwritten, NvSpaceExhausted, type TpmError, TpmToolsUnusable } from "./TpmError.ts"
import { workDirectory } from "./workDirectory.ts"

const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`

const absent = (index: number) =>
  new NvIndexAbsent({ index, message: `NV index ${hex(index)} is not defined in this TPM.` })

/** The TPM by the commands of tpm2-tools 5.4 and later; a short read of NV memory without a process where it can be. */
export class Tpm2Tools {
  /**
   * `tcti` comes from `tctiOf`. `endorsementKey` is the template, ECC P-256 unless another is named. Nothing is run
   * until a method is used, so the layer itself also builds where there is no TPM.
   */
  static readonly layer = (options: {
    readonly tcti: Tcti
    readonly endorsementKey?: EndorsementKeyKind
  }): Layer.Layer<Tpm, TpmToolsUnusable, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =>
    Layer.effect(Tpm, make(options.tcti, options.endorsementKey ?? "ecc-p256"))
}

const make = Effect.fnUntraced(function*(tcti: Tcti, kind: EndorsementKeyKind) {
  const files = yield* FileSystem.FileSystem
  const tool = runTool(yield* ChildProcessSpawner.ChildProcessSpawner, tcti)
  const run = hasResourceManager(tcti) ? tool : makingRoom(tool)
  const directory = yield* Effect.mapError(workDirectory, () =>
    new TpmToolsUnusable({
      command: "mkdtemp",
      message: "No temporary directory could be made: /run, /dev/shm and TMPDIR are full or not writable."
    }))
  const oneAtATime = Semaphore.makeUnsafe(1).withPermit
  const readDirectly = directNvRead(tcti)
  const keys = keyStation({ run, files, directory, kind, resourceManager: hasResourceManager(tcti) })

  const text = (command: string, args: ReadonlyArray<string>) =>
    Effect.map(run(command, args), (bytes) => new TextDecoder().decode(bytes))
  const persistentHandles = oneAtATime(text("tpm2_getcap", ["handles-persistent"])).pipe(
    Effect.flatMap((answer) => Effect.fromResult(readHandles("tpm2_getcap", answer)))
  )

  const whenAbsent = (index: number) => (error: TpmError): TpmError | NvIndexAbsent =>
    codeIs(error, ResponseCode.handle) ? absent(index) : error

  const activateCredential = Effect.fn("Tpm.activateCredential")(function*(credential: Credential) {
    const checked = yield* Effect.fromResult(decodeCredential(credential))
    return yield* oneAtATime(keys.activate(checked))
  })

  const unwritten = (index: number) =>
    new NvIndexUnwritten({ index, message: `NV index ${hex(index)} is defined and was never written.` })

  const nvReadByTool = (index: number, offset: number, size?: number) => {
    const range = ["--offset", String(offset), ...(size === undefined ? [] : ["-s", String(size)])]
    return run("tpm2_nvread", ["-C", "o", ...range, hex(index)]).pipe(
      Effect.mapError((error) =>
        codeIs(error, ResponseCode.nvUninitialized) ? unwritten(index) : whenAbsent(index)(error)
      )
    )
  }

  const nvReadOnce = Effect.fnUntraced(function*(index: number, offset: number, size?: number) {
    const direct = size === undefined ? Option.none() : yield* readDirectly(index, offset, size)
    if (Option.isNone(direct)) return yield* nvReadByTool(index, offset, size)
    if (direct.value === "absent") return yield* absent(index)
    return direct.value === "unwritten" ? yield* unwritten(index) : direct.value
  })

  const nvRead = Effect.fn("Tpm.nvRead")((index: number, offset: number, size?: number) =>
    oneAtATime(nvReadOnce(index, offset, size))
  )

  const nvWrite = Effect.fn("Tpm.nvWrite")(
    function*(index: number, offset: number, data: Redacted.Redacted<Uint8Array>) {
      yield* oneAtATime(
        run("tpm2_nvwrite", ["-Q", "-C", "o", "-i", "-", "--offset", String(offset), hex(index)], data)
      ).pipe(Effect.mapError(whenAbsent(index)))
    }
  )

  const nvDefine = Effect.fn("Tpm.nvDefine")(function*(index: number, size: number) {
    const args = ["-Q", "-C", "o", "-s", String(size), "-a", NV_ATTRIBUTES, hex(index)]
    yield* oneAtATime(run("tpm2_nvdefine", args)).pipe(
      Effect.mapError((error) =>
        codeIs(error, ResponseCode.nvSpace) || codeIs(error, ResponseCode.size)
          ? new NvSpaceExhausted({
            index,
            size,
            message: `The TPM has no room for an NV index of ${size} bytes. ` +
              "Undefine indexes that are not needed (tpm2_nvreadpublic lists them), or run fewer relays on this node."
          })
          : error
      )
    )
  })

  const nvUndefine = Effect.fn("Tpm.nvUndefine")(function*(index: number) {
    yield* oneAtATime(run("tpm2_nvundefine", ["-Q", "-C", "o", hex(index)])).pipe(
      Effect.mapError(whenAbsent(index))
    )
  })

  // Asked for one index that is not there, tpm2_nvreadpublic 5.4 ends with a segmentation fault: it is asked for all.
  const nvPublics = oneAtATime(text("tpm2_nvreadpublic", [])).pipe(
    Effect.flatMap((answer) => Effect.fromResult(readNvPublics("tpm2_nvreadpublic", answer))),
    Effect.withSpan("Tpm.nvPublics")
  )

  const limits = Effect.gen(function*() {
    const fixed = yield* text("tpm2_getcap", ["properties-fixed"])
    const variable = yield* text("tpm2_getcap", ["properties-variable"])
    return yield* Effect.fromResult(readLimits("tpm2_getcap", fixed, variable))
  }).pipe(oneAtATime, Effect.withSpan("Tpm.limits"))

  const evictPersistent = Effect.fn("Tpm.evictPersistent")(function*(handle: number) {
    yield* oneAtATime(run("tpm2_evictcontrol", ["-Q", "-C", "o", "-c", hex(handle)]))
  })

  return Tpm.of({
    endorsementKey: oneAtATime(keys.endorsementKey).pipe(Effect.withSpan("Tpm.endorsementKey")),
    attestationKey: oneAtATime(keys.attestationKey).pipe(Effect.withSpan("Tpm.attestationKey")),
    activateCredential,
    nvRead,
    nvWrite,
    nvDefine,
    nvUndefine,
    nvPublics,
    limits,
    persistentHandles,
    evictPersistent
  })
})
