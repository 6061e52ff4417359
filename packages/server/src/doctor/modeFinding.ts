import { type Finding, fine, warning, wrong } from "./Finding.ts"

const GROUP_READS = 0o040
const OTHERS_READ = 0o004
const GROUP_WRITES = 0o020
const OTHERS_WRITE = 0o002
const STICKY = 0o1000

/** What a file holds: `secret` is for the server alone, `folder` may be read and not written by others. */
export type Held = "secret" | "folder"

/** How a file's mode stands, by its permission bits (chmod(2)). */
export const modeFinding = (check: string, path: string, mode: number, held: Held): Finding => {
  const written = `0${(mode & 0o7777).toString(8)}`
  const has = (bit: number): boolean => (mode & bit) !== 0
  if (held === "folder") {
    // In a folder with the sticky bit, such as /tmp, others may add files and take none away (inode(7)).
    return (has(OTHERS_WRITE) || has(GROUP_WRITES)) && !has(STICKY)
      ? warning(check, `others may put files into the folder ${path} (mode ${written})`, `chmod go-w ${path}`)
      : fine(check, `only its owner changes the folder ${path}`)
  }
  if (has(OTHERS_READ) || has(OTHERS_WRITE)) {
    return wrong(check, `everybody on this machine may read or write ${path} (mode ${written})`, `chmod 600 ${path}`)
  }
  return has(GROUP_READS) || has(GROUP_WRITES)
    ? warning(check, `the group of ${path} may read or write it (mode ${written})`, `chmod 600 ${path}`)
    : fine(check, `only its owner reads ${path}`)
}
