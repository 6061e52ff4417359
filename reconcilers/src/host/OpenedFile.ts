import { closeSync, openSync } from "node:fs"

/** An open file or directory, closed where its block ends. */
export interface OpenedFile extends Disposable {
  readonly fd: number
}

/** Opens a path with the flags of open(2). */
export const opened = (path: string, flags: number): OpenedFile => {
  const fd = openSync(path, flags)
  return { fd, [Symbol.dispose]: () => closeSync(fd) }
}
