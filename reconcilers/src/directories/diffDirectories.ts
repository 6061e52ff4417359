import { type Change, differences } from "@patela/domain/reconciler/Change"
import { relayScope, type Resource, type ResourceAddress } from "@patela/domain/reconciler/Resource"
import { configDirectoryOf, stateDirectoryOf } from "../host/HostPaths.ts"
import type { DesiredDirectories, DirectorySpec } from "./DesiredDirectories.ts"
import type { Entry, ObservedDirectories } from "./ObservedDirectories.ts"

export type DirectoriesChange = Change<DesiredDirectories, ObservedDirectories>

const ABSENT: Entry = { type: "absent" }

export const entryOf = ({ entries }: ObservedDirectories, path: string): Entry => entries.get(path) ?? ABSENT

/** Pure. Type, owner and mode of each directory are managed. */
export const diffDirectories = (
  desired: ReadonlyArray<Resource<DesiredDirectories>>,
  observed: ReadonlyMap<ResourceAddress, ObservedDirectories>
): ReadonlyArray<DirectoriesChange> =>
  differences({
    desired,
    observed,
    compare: ({ directories }, seen) =>
      directories.flatMap((directory) => differenceOf(directory, entryOf(seen, directory.path))),
    created: ({ directories }) =>
      directories.filter(({ own }) => own).map((directory) => `directory ${textOf(directory)}`),
    removed: (seen) => {
      if (!seen.owned) return undefined
      const there = [configDirectoryOf(seen.relay), stateDirectoryOf(seen.relay)]
        .filter((path) => entryOf(seen, path).type !== "absent")
      const lines = there.length === 0
        ? [`instance ${seen.relay} is gone, but stands in the ledger`]
        : there.map((path) => `directory ${path} and all in it`)
      return { scope: relayScope(seen.relay), lines }
    }
  })

const differenceOf = (directory: DirectorySpec, entry: Entry): ReadonlyArray<string> => {
  switch (entry.type) {
    case "absent":
      return [`${directory.path} is missing`]
    case "directory": {
      const [is, should] = [rightsOf(entry), rightsOf(directory)]
      return is === should ? [] : [`${directory.path}: ${is} -> ${should}`]
    }
    default:
      return [`${directory.path} is a ${entry.type} and not a directory`]
  }
}

interface Rights {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

const rightsOf = ({ gid, mode, uid }: Rights): string => `${mode.toString(8).padStart(4, "0")} ${uid}:${gid}`

const textOf = (directory: DirectorySpec): string => `${directory.path} ${rightsOf(directory)}`

/** The directories that are missing or not as they should be. */
export const wrongIn = (
  { directories }: DesiredDirectories,
  seen: ObservedDirectories
): ReadonlyArray<DirectorySpec> =>
  directories.filter((directory) => differenceOf(directory, entryOf(seen, directory.path)).length > 0)

/**
 * Why these directories are not Patela's to change, or undefined. Something of the relay's that Patela did not make
 * is somebody's instance; what is no directory is somebody's too, even inside an instance of Patela's.
 */
export const obstacleIn = (desired: DesiredDirectories, seen: ObservedDirectories): string | undefined => {
  const wrong = wrongIn(desired, seen)
  for (const { path } of wrong) {
    const { type } = entryOf(seen, path)
    if (type === "link" || type === "file") return `${path} is a ${type} and not a directory; move it out of the way`
  }
  if (seen.owned || !wrong.some(({ own }) => own)) return undefined
  const foreign = desired.directories.find(({ own, path }) => own && entryOf(seen, path).type === "directory")
  if (foreign === undefined) return undefined
  return `${foreign.path} was there before Patela, with other rights or without the rest of the instance, ` +
    `so it may be somebody else's and was left alone; remove it, or boot an image without it`
}
