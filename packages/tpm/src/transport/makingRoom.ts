import { Effect } from "effect"
import { codeIs } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
import type { RunTool } from "./runTool.ts"

/**
 * Runs tools on a TPM that has no resource manager: a tool that was killed while the TPM worked left its session there,
 * and a bare TPM has room for three (TPM 2.0 part 1, 30.4). When they are full, the loaded ones are flushed and the tool
 * runs once more. Sessions that a tool saved between two commands are not loaded, and stay.
 */
export const makingRoom = (run: RunTool): RunTool => (command, args, input) =>
  run(command, args, input).pipe(
    Effect.catch((error) =>
      codeIs(error, ResponseCode.sessionMemory)
        ? Effect.andThen(Effect.ignore(run("tpm2_flushcontext", ["-l"])), run(command, args, input))
        : Effect.fail(error)
    )
  )
