import { type Effect, Schema, type Scope } from "effect"

/** The way to the TPM could not be opened. `code` is the name of the system's error, such as ENOENT (errno(3)). */
export class CannotConnect extends Schema.TaggedError<CannotConnect>()("CannotConnect", { code: Schema.String }) {}

/** The other side closed while an answer was awaited. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {}) {}

/** An open way to a TPM, for one command at a time. */
export interface Connection {
  /**
   * One command out, one whole response in. A connection whose exchange was interrupted is not open any more: the answer
   * that is still to come would be taken for the next one's.
   */
  readonly exchange: (command: Uint8Array) => Effect.Effect<Uint8Array, ConnectionLost>
  readonly isOpen: () => boolean
}

/** Opens a connection for the length of a scope. */
export type Connect = Effect.Effect<Connection, CannotConnect, Scope.Scope>

/** The name of the system's error in what Node throws. */
export const systemCode = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "UNKNOWN"
