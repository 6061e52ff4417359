import { type RelayName, userOf } from "@patela/domain/relay/RelayName"
import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import { availableParallelism } from "node:os"
import { HostCommand } from "../host/HostCommand.ts"
import { INSTANCES_STATE } from "../host/HostPaths.ts"

/** tor made no keys for a relay. */
export class KeysNotMade extends Schema.TaggedError<KeysNotMade>()("KeysNotMade", { message: Schema.String }) {}

/** Making two keys takes about 0.3 s of processor time; a node with a hundred relays starts all of them at once. */
const TIMEOUT = 60_000

/** A path where nothing is, so that no configuration of the host is read. */
const NO_FILE = "/nonexistent"

/** Has tor make the keys that a relay lacks, as the relay's own user: it never starts to be a relay. */
export class TorKeygen extends Context.Service<TorKeygen, {
  readonly make: (name: RelayName) => Effect.Effect<void, KeysNotMade>
}>()("@patela/reconcilers/identity/TorKeygen") {
  static readonly layer: Layer.Layer<TorKeygen, never, HostCommand> = Layer.effect(
    TorKeygen,
    Effect.gen(function*() {
      const command = yield* HostCommand
      const processors = yield* Semaphore.make(availableParallelism())
      const make = Effect.fn("TorKeygen.make")((name: RelayName) =>
        command.run("tor", argumentsFor(name), { timeout: TIMEOUT }).pipe(
          processors.withPermit,
          Effect.asVoid,
          Effect.mapError(({ message }) =>
            new KeysNotMade({ message: `tor made no new identity for ${name}: ${message}` })
          )
        )
      )
      return TorKeygen.of({ make })
    })
  )
}

/** tor manual, `--list-fingerprint`: it makes the keys of a relay (hence an ORPort, never opened), prints, and ends. */
const argumentsFor = (name: RelayName): ReadonlyArray<string> =>
  Object.entries({
    "--defaults-torrc": NO_FILE,
    "-f": NO_FILE,
    "--DataDirectory": `${INSTANCES_STATE}/${name}`,
    "--User": userOf(name),
    "--Nickname": name,
    "--ORPort": "9001",
    "--SocksPort": "0"
  }).flat().concat("--ignore-missing-torrc", "--list-fingerprint", "--hush")
