import { Effect } from "effect"
import { nvReadPublic } from "../command/nv.ts"
import type { Line } from "./Exchange.ts"
import { isWritten } from "./nvAttributes.ts"
import { codeIs } from "./refusalOf.ts"
import { ResponseCode } from "./ResponseCode.ts"
import type { NvPublic } from "./Tpm.ts"
import type { TpmError } from "./TpmError.ts"

/** What the TPM says of an index, alone in a list; one that is not there, or went meanwhile, is none. */
export const nvPublicOn = (line: Line, index: number): Effect.Effect<ReadonlyArray<NvPublic>, TpmError> =>
  line.send(nvReadPublic(index)).pipe(
    Effect.map(({ attributes, size }) => [{ index, size, attributes, written: isWritten(attributes) }]),
    Effect.catchTag(
      "TpmRefused",
      (error: TpmError) => codeIs(error, ResponseCode.handle) ? Effect.succeed([]) : Effect.fail(error)
    )
  )
