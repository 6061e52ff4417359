import { Schema } from "effect"

/** No TPM answers at the address. */
export class TpmAbsent extends Schema.TaggedError<TpmAbsent>()("TpmAbsent", {
  tcti: Schema.String,
  message: Schema.String
}) {}

/** The TPM refuses because of too many wrong authorisations (TPM 2.0 part 1, 19.8). */
export class TpmLockedOut extends Schema.TaggedError<TpmLockedOut>()("TpmLockedOut", {
  command: Schema.String,
  message: Schema.String
}) {}

/** The TPM or its tool refused a command. `code` is the response code (TPM 2.0 part 2, 6.6), none when there was none. */
export class TpmRefused extends Schema.TaggedError<TpmRefused>()("TpmRefused", {
  command: Schema.String,
  code: Schema.OptionFromNullOr(Schema.Int),
  message: Schema.String
}) {}

/** A command did not end in time; its process was killed. */
export class TpmTimeout extends Schema.TaggedError<TpmTimeout>()("TpmTimeout", {
  command: Schema.String,
  seconds: Schema.Number,
  message: Schema.String
}) {}

/** The TPM is there but is used by another process or asks to be tried again. Trying again may help. */
export class TpmBusy extends Schema.TaggedError<TpmBusy>()("TpmBusy", {
  command: Schema.String,
  message: Schema.String
}) {}

/** The command is not installed, or files for it could not be written. */
export class TpmToolsUnusable extends Schema.TaggedError<TpmToolsUnusable>()("TpmToolsUnusable", {
  command: Schema.String,
  message: Schema.String
}) {}

/** A command succeeded and what it printed cannot be understood. */
export class TpmAnswerUnreadable extends Schema.TaggedError<TpmAnswerUnreadable>()("TpmAnswerUnreadable", {
  command: Schema.String,
  message: Schema.String
}) {}

/** An answer was changed between the TPM and this process, or was not the TPM's: its HMAC is wrong (TPM 2.0 part 1, 19.6.6). */
export class TpmAnswerForged extends Schema.TaggedError<TpmAnswerForged>()("TpmAnswerForged", {
  command: Schema.String,
  message: Schema.String
}) {}

/** What is stored opens only for an approved image, and this is none (see ImagePolicy). */
export class TpmPolicyUnmet extends Schema.TaggedError<TpmPolicyUnmet>()("TpmPolicyUnmet", {
  message: Schema.String
}) {}

/** The NV index is not defined (TPM_RC_HANDLE, 0x18B from tpm2-tools 5.4). */
export class NvIndexAbsent extends Schema.TaggedError<NvIndexAbsent>()("NvIndexAbsent", {
  index: Schema.Int,
  message: Schema.String
}) {}

/** The NV index is defined and was never written (TPM_RC_NV_UNINITIALIZED, 0x14A). */
export class NvIndexUnwritten extends Schema.TaggedError<NvIndexUnwritten>()("NvIndexUnwritten", {
  index: Schema.Int,
  message: Schema.String
}) {}

/** There is no room in the TPM for an index of this size in bytes (TPM_RC_NV_SPACE, 0x14B, or TPM_RC_SIZE). */
export class NvSpaceExhausted extends Schema.TaggedError<NvSpaceExhausted>()("NvSpaceExhausted", {
  index: Schema.Int,
  size: Schema.Int,
  message: Schema.String
}) {}

/** What any use of a TPM may fail with. */
export type TpmError =
  | TpmAbsent
  | TpmLockedOut
  | TpmRefused
  | TpmTimeout
  | TpmBusy
  | TpmToolsUnusable
  | TpmAnswerUnreadable
  | TpmAnswerForged
  | TpmPolicyUnmet
