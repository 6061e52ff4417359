import { execFile } from "node:child_process"

/** What a program wrote to its output; rejects where it ends with anything but zero. */
export const outputOf = (program: string, args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(error)
    })
  })
