import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url))

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Situation {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
}

/** Runs `patela-agent` as an operator does, in a process of its own, with no setting of this machine's. */
export const patelaAgent = (args: ReadonlyArray<string>, { env = {}, stdin = "" }: Situation = {}) =>
  Effect.callback<Ran>((resume) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env: { PATH: process.env["PATH"], ...env }, timeout: 100_000 },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), stdout, stderr }))
    )
    // A command that ends before it has read its input closes the pipe.
    child.stdin?.on("error", () => {})
    child.stdin?.end(stdin)
  })

/** The command believes that it runs as somebody else than root, whoever passes the tests. */
export const AS_USER = { NODE_OPTIONS: "--import=data:text/javascript,process.geteuid=()=>1000" }
