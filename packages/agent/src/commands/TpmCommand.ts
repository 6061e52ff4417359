import { Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { json, tpm } from "./AgentFlags.ts"

const tasks = Effect.promise(() => import("./tpmTasks.ts"))

const Status = Command.make(
  "status",
  { tpm, json },
  Effect.fn("tpm status")(function*(options) {
    const { showTpm } = yield* tasks
    yield* showTpm(options)
  })
).pipe(
  Command.withDescription("Show the TPM, its keys and what the key store holds; no secret is read"),
  Command.withExamples([{ command: "patela-agent tpm status" }, { command: "patela-agent tpm status --json" }])
)

const CleanPersistent = Command.make(
  "clean-persistent",
  { tpm },
  Effect.fn("tpm clean-persistent")(function*(options) {
    const { cleanPersistent } = yield* tasks
    yield* cleanPersistent(options)
  })
).pipe(
  Command.withDescription("Remove the persistent objects of the owner, such as an older Patela left; keys in NV stay"),
  Command.withExamples([{ command: "patela-agent tpm clean-persistent --tpm2 /dev/tpmrm0" }])
)

/** Keys were to be erased without the word for it. */
class NotConfirmed extends Schema.TaggedError<NotConfirmed>()("NotConfirmed", { message: Schema.String }) {}

const EraseKeys = Command.make(
  "erase-keys",
  {
    tpm,
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("The keys may go: nothing else has them"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("tpm erase-keys")(function*(options) {
    if (!options.yes) {
      return yield* new NotConfirmed({
        message: "erasing removes the identity keys of every relay of this node, and nothing else has them: " +
          "say --yes if they may go"
      })
    }
    const { eraseKeys } = yield* tasks
    yield* eraseKeys(options)
  })
).pipe(
  Command.withDescription("Remove the identity keys from the TPM for good, such as after damage"),
  Command.withExamples([{ command: "patela-agent tpm erase-keys --yes" }])
)

/** `patela-agent tpm`. */
export const TpmCommand = Command.make("tpm").pipe(
  Command.withDescription("Look after the TPM"),
  Command.withSubcommands([Status, CleanPersistent, EraseKeys])
)
