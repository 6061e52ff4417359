import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Effect, Option, Schema } from "effect"

/** One line of /etc/passwd (passwd(5)) without the fields that say nothing of who the account is. */
export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

/** One line of /etc/group (group(5)) without password and members. */
export interface Group {
  readonly name: string
  readonly gid: number
}

/** Every local account and group. */
export interface AccountTables {
  readonly users: ReadonlyArray<User>
  readonly groups: ReadonlyArray<Group>
}

const Name = Schema.NonEmptyString
const Id = Schema.String.pipe(Schema.check(Schema.isPattern(/^\d{1,10}$/)), Schema.decodeTo(Schema.FiniteFromString))

const UserFields = Schema.Tuple([
  Name,
  Schema.String,
  Id,
  Id,
  Schema.String,
  Schema.String,
  Schema.String
])
const GroupFields = Schema.Tuple([Name, Schema.String, Id, Schema.String])

const decodeUser = Schema.decodeUnknownOption(UserFields)
const decodeGroup = Schema.decodeUnknownOption(GroupFields)

/** Decodes /etc/passwd. A line that is not one fails, by its number alone, for a line may hold a password. */
export const parseUsers = (path: string, text: string): Effect.Effect<ReadonlyArray<User>, ObservationFailed> =>
  parseLines(
    path,
    text,
    (fields) => Option.map(decodeUser(fields), ([name, , uid, gid, , home, shell]) => ({ name, uid, gid, home, shell }))
  )

/** Decodes /etc/group. */
export const parseGroups = (path: string, text: string): Effect.Effect<ReadonlyArray<Group>, ObservationFailed> =>
  parseLines(path, text, (fields) => Option.map(decodeGroup(fields), ([name, , gid]) => ({ name, gid })))

const parseLines = Effect.fnUntraced(function*<A>(
  path: string,
  text: string,
  decode: (fields: ReadonlyArray<string>) => Option.Option<A>
) {
  const rows: Array<A> = []
  for (const [index, line] of text.split("\n").entries()) {
    if (isNoEntry(line)) continue
    const row = decode(line.split(":"))
    if (Option.isNone(row)) {
      return yield* new ObservationFailed({
        kind: "accounts",
        message: `${path}, line ${index + 1} is not an entry, so it cannot be told which UIDs are taken. Correct it ` +
          `(pwck and grpck check these files).`
      })
    }
    rows.push(row.value)
  }
  return rows
})

/** Blank lines, comments and the NIS entries of nsswitch's compat mode (nsswitch.conf(5)). */
const isNoEntry = (line: string): boolean => line.trim() === "" || /^[#+-]/.test(line)
