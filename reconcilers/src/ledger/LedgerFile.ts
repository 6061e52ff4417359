import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Effect, Schema } from "effect"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, dirname } from "node:path"
import { causeText, errorCode } from "../host/SystemError.ts"
import { nothingOwned, Owned } from "./Owned.ts"

/** Agents that knew nothing of addresses wrote none. */
const Content = Schema.fromJsonString(Schema.Struct({
  version: Schema.Literal(1),
  ...Owned.fields,
  addresses: Schema.optionalKey(Owned.fields.addresses)
}))

const decode = Schema.decodeUnknownEffect(Content)
const encode = Schema.encodeSync(Content)

/** What the text of a ledger says. A ledger that is not whole is nothing to prune by, so it fails the observation. */
export const parseLedger = (path: string, text: string): Effect.Effect<Owned, ObservationFailed> =>
  decode(text).pipe(
    Effect.map(({ accounts, addresses = [], instances }) => ({ accounts, instances, addresses })),
    Effect.mapError((error) => unreadable(path, `it is damaged: ${error.message}`))
  )

export const renderLedger = (owned: Owned): string => `${encode({ version: 1, ...owned })}\n`

/** What the ledger says; an absent one is an empty one, as after a boot. Links are not followed. */
export const readLedger = Effect.fn("LedgerFile.read")(function*(
  path: string,
  parse: (text: string) => Effect.Effect<Owned, ObservationFailed> = (text) => parseLedger(path, text)
) {
  const text = yield* Effect.tryPromise({
    try: () => readText(path),
    catch: (cause) => unreadable(path, causeText(cause))
  })
  return text === undefined ? nothingOwned : yield* parse(text)
})

const readText = async (path: string): Promise<string | undefined> => {
  try {
    await using file = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    return await file.readFile("utf8")
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined
    throw cause
  }
}

/**
 * Puts a whole ledger in place of another (rename(2)), 0600 in a directory of 0700. Nothing is synchronised: the
 * ledger is on a tmpfs and dies with the host that it speaks of.
 */
export const replaceLedger = async (path: string, owned: Owned): Promise<void> => {
  await fs.mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  await using directory = await fs.open(dirname(path), flags)
  await directory.chmod(0o700)
  const inside = `/proc/self/fd/${directory.fd}`
  const temporary = `${inside}/.${basename(path)}.new`
  await fs.rm(temporary, { force: true })
  try {
    await fs.writeFile(temporary, renderLedger(owned), { flag: "wx", mode: 0o600 })
    await fs.rename(temporary, `${inside}/${basename(path)}`)
  } catch (cause) {
    // Where there is no space, half a ledger would take what is left of it.
    await fs.rm(temporary, { force: true })
    throw cause
  }
}

const unreadable = (path: string, why: string): ObservationFailed =>
  new ObservationFailed({
    kind: "ledger",
    message:
      `cannot tell what is Patela's on this host: ${path}: ${why}. Nothing is created or removed until the file ` +
      `is mended or the node is rebooted.`
  })
