import { readdirSync, statSync } from "node:fs"

/** How many sockets a process has open. */
export const socketsOf = ({ pid }: { readonly pid: number | undefined }): number => {
  const folder = `/proc/${pid}/fd`
  // One may close between the two looks.
  return readdirSync(folder).filter((name) => statSync(`${folder}/${name}`, { throwIfNoEntry: false })?.isSocket())
    .length
}
