/** The name of the error of a failed system call, such as `ENOENT`; undefined where the failure was something else. */
export const errorCode = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** What a failure says of itself. */
export const causeText = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
