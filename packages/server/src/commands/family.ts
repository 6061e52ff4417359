import { familySecretFromFile } from "@patela/domain/family/FamilySecret"
import { Console, Effect, FileSystem } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Family, MOST_MEMBERS } from "../family/Family.ts"
import { FamilyAdministration } from "../family/FamilyAdministration.ts"
import { FamilyKeys } from "../family/FamilyKeys.ts"
import { FamilySwitches, SWITCHES } from "../family/FamilySwitches.ts"
import { newFamilySecret } from "../family/newFamilySecret.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { jsonFlag } from "./jsonFlag.ts"
import { printJson } from "./print.ts"
import { StoreServices } from "./StoreServices.ts"

/** A secret key file of tor's. What is wrong with its bytes is said without them. */
const secretIn = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(file).pipe(
    Effect.mapError(({ reason }) => new CommandFailed({ message: `${file} cannot be read: ${reason._tag}` }))
  )
  return yield* Effect.fromResult(familySecretFromFile(bytes)).pipe(
    Effect.mapError(({ message }) => new CommandFailed({ message: `${file}: ${message}` }))
  )
})

const begun = (id: string) =>
  Console.log(
    `The family is ${id}. Relays declare it by its key, which goes to each enabled node sealed to its TPM, and by ` +
      "naming each other. Either way alone: patela family off id|members"
  )

const create = Command.make(
  "create",
  {},
  Effect.fn("family.create")(function*() {
    yield* begun(yield* (yield* FamilyAdministration).begin(yield* administrator, "created", yield* newFamilySecret))
  })
).pipe(
  Command.withDescription("Make the key of the fleet's family, and have all relays declare it"),
  Command.withExamples([{
    command: "patela family create",
    description: "Print its FamilyId; the key is never shown"
  }]),
  Command.provide(StoreServices)
)

const importKey = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(Argument.withDescription("NAME.secret_family_key, 96 bytes; it is not changed"))
  },
  Effect.fn("family.import")(function*({ file }) {
    const secret = yield* secretIn(file)
    yield* begun(yield* (yield* FamilyAdministration).begin(yield* administrator, "imported", secret))
  })
).pipe(
  Command.withDescription("Take over a family whose key tor made"),
  Command.withExamples([
    { command: "patela family import ./ours.secret_family_key", description: "As `tor --keygen-family ours` wrote it" }
  ]),
  Command.provide(StoreServices)
)

const rotate = Command.make(
  "rotate",
  {},
  Effect.fn("family.rotate")(function*() {
    const id = yield* (yield* FamilyAdministration).rotate(yield* administrator, yield* newFamilySecret)
    yield* Console.log(
      `The new key is of ${id}. Relays declare both until every node has it; then: patela family retire`
    )
  })
).pipe(
  Command.withDescription("Begin to replace the family's key: relays declare the old and the new"),
  Command.withExamples([{ command: "patela family rotate", description: "Then, when all nodes are current: retire" }]),
  Command.provide(StoreServices)
)

const retire = Command.make(
  "retire",
  {
    anyway: Flag.Boolean("anyway").pipe(
      Flag.withDescription("Also while enabled nodes may not have the new key"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("family.retire")(function*({ anyway }) {
    const id = yield* (yield* FamilyAdministration).retire(yield* administrator, { anyway })
    yield* Console.log(`The key of ${id} is dropped, here and on every node.`)
  })
).pipe(
  Command.withDescription("End a rotation: drop the family's older key"),
  Command.withExamples([{ command: "patela family retire", description: "Refused while nodes may lack the new key" }]),
  Command.provide(StoreServices)
)

const onOff = (on: boolean) => on ? "on" : "off"

const turn = (on: boolean) =>
  Command.make(
    onOff(on),
    {
      what: Argument.Literals("what", SWITCHES).pipe(
        Argument.withDescription("id: by the family's key, FamilyId. members: by naming each other, MyFamily")
      )
    },
    Effect.fn(`family.${onOff(on)}`)(function*({ what }) {
      const changed = yield* (yield* FamilyAdministration).turn(yield* administrator, what, on)
      yield* Console.log(`${what} is ${onOff(on)}${changed ? "" : " already; nothing was changed"}.`)
    })
  ).pipe(
    Command.withDescription(on ? "Have relays declare their family so" : "Have them no longer do so"),
    Command.withExamples([
      { command: `patela family ${onOff(on)} members`, description: on ? "By naming each other" : "By the key alone" }
    ]),
    Command.provide(StoreServices)
  )

const show = Command.make(
  "show",
  { json: jsonFlag },
  Effect.fn("family.show")(function*({ json }) {
    const keys = yield* (yield* FamilyKeys).list
    const { id, members: named } = yield* (yield* FamilySwitches).read
    const members = (yield* (yield* Family).members).length
    const tooMany = members > MOST_MEMBERS
    const view = {
      keys: keys.map(({ family_id, made_at }, at) => ({ id: family_id, state: at === 0 ? "current" : "old", made_at })),
      declared: { id, members: named && !tooMany },
      members,
      most_members: MOST_MEMBERS
    }
    if (json) return yield* printJson(view)
    yield* Console.log([
      ...view.keys.length === 0 ? ["no key"] : view.keys.map((key) => `key ${key.id} ${key.state}, of ${key.made_at}`),
      `id ${onOff(id)}`,
      `members ${onOff(named)}, ${members} relays have fingerprints on record`,
      ...named && tooMany
        ? [
          `More than ${MOST_MEMBERS} relays do not fit into each other's descriptors: they name none, the key is enough`
        ]
        : []
    ].join("\n"))
  })
).pipe(
  Command.withDescription("Show the fleet's family: its public keys, and by what relays declare it"),
  Command.withExamples([{ command: "patela family show --json", description: "For a program" }]),
  Command.provide(StoreServices)
)

export const family = Command.make("family").pipe(
  Command.withDescription("The family that all relays of the fleet declare, so that no circuit uses two of them"),
  Command.withSubcommands([create, importKey, rotate, retire, turn(true), turn(false), show])
)
